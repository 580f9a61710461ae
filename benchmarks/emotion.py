"""How well, how fast and how small does the Emotion Intensity Block read prompts?

FED's hand-written test split (unseen wording), GoEmotions' test split (if its folder is there), and on one processor core the
time a prompt takes, the time to load, the space on disk.

    python benchmarks/emotion.py --texts ../shared/text
"""

import argparse
import json
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent.parent))

from reference import reference_seconds

from emotalker.emotion.eib import EmotionIntensityBlock
from emotalker.training.emotion.data import load_goemotions
from emotalker.training.emotion.fed import KINDS, load_fed
from emotalker.training.emotion.measure import measure_described, measure_goemotions
from emotalker.weights import weights_path


def seconds_a_prompt(block: EmotionIntensityBlock, texts: list[str]) -> float:
    """Mean time of reading texts one by one; the best of three rounds."""
    rounds = []
    for _ in range(3):
        start = time.perf_counter()
        for text in texts:
            block.read([text])
        rounds.append((time.perf_counter() - start) / len(texts))
    return min(rounds)


def main() -> None:
    """Print the table and, as the last line, JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", type=Path, default=Path(__file__).parents[2] / "shared" / "text", help="GoEmotions")
    args = parser.parse_args()

    torch.set_num_threads(1)
    import transformers.models.bert.modeling_bert  # noqa: F401  ComfyUI has imported it long before a prompt is read

    reference = reference_seconds()
    start = time.perf_counter()
    block = EmotionIntensityBlock.load()
    load = time.perf_counter() - start
    test = load_fed("test")
    each = seconds_a_prompt(block, [item.text for item in test[::4]])
    disk = sum(file.stat().st_size for file in weights_path("eib").parent.glob("eib*"))
    result = {
        "milliseconds_a_prompt": round(1000 * each, 2),
        "times_reference": round(each / reference, 4),
        "load_seconds": round(load, 3),
        "disk_mb": round(disk / 1e6, 2),
        **measure_described(block, test),
    }
    print(f"{'kind':>12}{'items':>7}{'main':>7}{'F1':>7}{'error':>7}")
    for kind in KINDS:
        items = [item for item in test if item.kind == kind]
        if items:
            figures = measure_described(block, items)
            row = (figures["main_emotion"], figures["present_f1"], figures["strength_error"])
            print(f"{kind:>12}{len(items):>7}" + "".join(f"{value:7.3f}" for value in row))
    if args.texts.is_dir():
        result |= measure_goemotions(block, load_goemotions(args.texts, "dev"), load_goemotions(args.texts, "test"))
    else:
        print(f"GoEmotions is not in {args.texts}: its figure is left out.")
    for name, value in result.items():
        print(f"{name:>24} {value}")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
