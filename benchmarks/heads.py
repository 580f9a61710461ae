"""How fast synthetic heads are made: pictures of 256 x 256 with everything from a new person to the JPEG file.

    python benchmarks/heads.py [--count 48] [--size 256] [--threads 2] [--shared ../shared]

Each thread makes pictures of its own; a person is in four of them. Prints a table and, last, one line of JSON:
images_per_second, and times_reference, the seconds of a picture over those of benchmarks/reference.py.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import torch

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from reference import reference_seconds  # noqa: E402

from emotalker.training.heads import HeadMaker  # noqa: E402
from emotalker.training.heads_kit import HeadKit  # noqa: E402


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=48)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--cache", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    reference = reference_seconds()
    # Each picture is made by one thread; the reference work uses all of them at once.
    torch.set_num_threads(1)
    maker = HeadMaker(HeadKit.load(options.shared / "heads", cache=options.cache), size=options.size)
    maker.make_many(range(8), options.threads)
    start, cpu = time.perf_counter(), time.process_time()
    maker.make_many(range(1000, 1000 + options.count), options.threads)
    seconds = (time.perf_counter() - start) / options.count
    cpu = (time.process_time() - cpu) / options.count
    print(f"{options.count} pictures of {options.size} x {options.size}, {options.threads} threads")
    print(f"{'one picture':28}{seconds * 1000:9.1f} ms")
    print(f"{'processor time of it':28}{cpu * 1000:9.1f} ms")
    print(f"{'pictures a second':28}{1 / seconds:9.1f}")
    print(f"{'picture / reference work':28}{seconds / reference:9.2f}")
    rate, times = round(1 / seconds, 2), round(seconds / reference, 3)
    print(json.dumps({"images_per_second": rate, "times_reference": times, "processor_seconds": round(cpu, 4)}))


if __name__ == "__main__":
    main()
