"""Drafts: whole or not at all, one writer for a name, nothing left behind."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from emotalker.draft import ENDING, MARK, TakenError, check_target, draft
from emotalker.errors import UserError


def drafts(folder: Path) -> list[Path]:
    return list(folder.glob(f"{MARK}*{ENDING}"))


def test_a_draft_becomes_the_target_and_leaves_nothing_else(tmp_path):
    with draft(tmp_path / "new" / "a.txt") as place:
        place.write_text("whole")
        assert not (tmp_path / "new" / "a.txt").exists()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.txt"]
    assert (tmp_path / "new" / "a.txt").read_text() == "whole"


def test_a_file_has_the_usual_mode(tmp_path):
    with draft(tmp_path / "a.txt") as place:
        place.write_text("x")
    (tmp_path / "b.txt").write_text("x")
    assert (tmp_path / "a.txt").stat().st_mode == (tmp_path / "b.txt").stat().st_mode


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, OSError])
def test_a_run_that_fails_keeps_what_was_there(tmp_path, error):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises((error, UserError)), draft(target) as place:
        place.write_text("half")
        (place.parent / "beside").write_text("more")
        raise error("no space left")
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_one_name_has_one_writer(tmp_path):
    with draft(tmp_path / "a.txt") as place:
        place.write_text("first")
        with pytest.raises(TakenError, match="another run"), draft(tmp_path / "a.txt"):
            pass
        with draft(tmp_path / "b.txt") as other:
            other.write_text("second")
    assert (tmp_path / "a.txt").read_text() == "first"
    with pytest.raises(TakenError, match="there already"), draft(tmp_path / "a.txt", replace=False):
        pass
    assert drafts(tmp_path) == []


def test_drafts_of_a_killed_process_are_cleared_and_those_of_a_living_one_stay(tmp_path):
    code = (
        "import sys, time\nfrom emotalker.draft import draft\n"
        "with draft(sys.argv[1]) as place:\n    place.write_text('half')\n    print('ready', flush=True)\n    time.sleep(60)\n"
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / name)], stdout=subprocess.PIPE, cwd=Path(__file__).parents[1]
        )
        for name in ("dead.txt", "alive.txt")
    ]
    try:
        for process in started:
            assert process.stdout.readline().strip() == b"ready"
        started[0].kill()
        started[0].wait()
        assert len(drafts(tmp_path)) == 2
        old = time.time() - 60
        for place in drafts(tmp_path):
            os.utime(place, (old, old))
        with draft(tmp_path / "mine.txt") as place:
            place.write_text("x")
        assert len(drafts(tmp_path)) == 1
        with pytest.raises(TakenError), draft(tmp_path / "alive.txt"):
            pass
        with draft(tmp_path / "dead.txt") as place:
            place.write_text("again")
    finally:
        for process in started:
            process.kill()
            process.wait()
            process.stdout.close()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a" * 300 + ".mp4", "too long"),
        ("a\x00b.mp4", "null"),
        ("there", "is a folder"),
        ("file/inside.mp4", "cannot be written"),
    ],
)
def test_targets_that_cannot_be_are_refused_before_any_work(tmp_path, name, words):
    (tmp_path / "there").mkdir()
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match=words):
        check_target(tmp_path / name)


def test_checking_a_target_leaves_no_folder(tmp_path):
    check_target(tmp_path / "new" / "newer" / "a.mp4")
    with pytest.raises(UserError, match="too long"):
        check_target(tmp_path / "new" / ("a" * 300 + ".mp4"))
    assert list(tmp_path.iterdir()) == []


def test_an_input_is_never_a_target(tmp_path):
    source = tmp_path / "voice.mp4"
    source.write_text("x")
    (tmp_path / "link.mp4").symlink_to(source)
    os.link(source, tmp_path / "hard.mp4")
    for name in ("voice.mp4", "link.mp4", "hard.mp4"):
        with pytest.raises(UserError, match="also an input"):
            check_target(tmp_path / name, inputs=[None, source])
    check_target(tmp_path / "other.mp4", inputs=[source])


def test_a_folder_must_be_new_or_empty(tmp_path):
    (tmp_path / "empty").mkdir()
    check_target(tmp_path / "empty", folder=True)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("x")
    with pytest.raises(UserError, match="there already"):
        check_target(tmp_path / "full", folder=True)
