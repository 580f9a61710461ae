"""The 60 hand-written timelines of data/timeline.jsonl: passages, their order and their times, within 10 % of the length."""

import json
from pathlib import Path

from emotalker.emotion.eib import EmotionIntensityBlock
from emotalker.emotion.prompt.placing import place
from emotalker.emotion.prompt.timeline import parse_timeline

NEEDED = 0.9
TOLERANCE = 0.1
"""Of the length of the speech: how far a start or an end may be off."""
LINES = [json.loads(line) for line in (Path(__file__).parent / "data/timeline.jsonl").read_text(encoding="utf-8").splitlines()]


def timed(line):
    """What is shown when, [(text, start, end)]."""
    words, pauses = [tuple(w) for w in line["words"]], [tuple(p) for p in line["pauses"]]
    placed = place(parse_timeline(line["prompt"]), line["seconds"], pauses, words).placed
    return [(one.passage.text, one.start, one.end) for one in placed]


def right_times(line, found):
    off = TOLERANCE * line["seconds"] + 1e-6
    return len(found) == len(line["segments"]) and all(
        abs(start - wanted["start"]) <= off and abs(end - wanted["end"]) <= off
        for (_, start, end), wanted in zip(found, line["segments"], strict=True)
    )


def test_passages_and_borders_are_where_a_reader_expects_them():
    wrong = [line["id"] for line in LINES if not right_times(line, timed(line))]
    assert len(wrong) <= (1 - NEEDED) * len(LINES), wrong


def test_scoring_notices_a_wrong_border_and_a_missing_passage():
    line = next(line for line in LINES if len(line["segments"]) == 2)
    good = [("", wanted["start"], wanted["end"]) for wanted in line["segments"]]
    late = [(text, start + 0.2 * line["seconds"], end) for text, start, end in good]
    assert right_times(line, good) and not right_times(line, late) and not right_times(line, good[:1])


def test_main_emotions_come_in_the_right_order():
    block = EmotionIntensityBlock.load()
    wrong = []
    for line in LINES:
        found = timed(line)
        mains = [max(reading.strengths, key=reading.strengths.get) for reading in block.read([text for text, _, _ in found])]
        if not right_times(line, found) or mains != [wanted["main"] for wanted in line["segments"]]:
            wrong.append((line["id"], mains))
    assert len(wrong) <= (1 - NEEDED) * len(LINES), wrong
