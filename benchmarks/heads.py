"""How fast synthetic heads are made: pictures of 256 x 256 with everything from a new person to the JPEG file.

    python benchmarks/heads.py [--count 48] [--size 256] [--processes 2] [--shared ../shared]

Each process makes pictures of its own on one core, as emotalker.training.heads.make does; a person is in four of them. Prints a
table and, last, one line of JSON: images_per_second, and times_reference, the seconds of a picture over those of
benchmarks/reference.py on as many threads as there are processes.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import torch
import torch.multiprocessing

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from reference import reference_seconds  # noqa: E402

from emotalker.training.heads.kit import HeadKit  # noqa: E402
from emotalker.training.heads.make import GROUP, HeadMaker  # noqa: E402


def make_share(process: int, options: argparse.Namespace, ready, told) -> None:
    """Make the pictures that fall to a process, once all are ready; tells (seconds, processor seconds)."""
    torch.set_num_threads(1)
    maker = HeadMaker(HeadKit.load(options.shared / "heads", cache=options.cache), size=options.size)
    for number in range(2 * GROUP):
        maker.make(number)
    ready.wait()
    start, cpu = time.perf_counter(), time.process_time()
    for number in range(options.count):
        if number // GROUP % options.processes == process:
            maker.make(1000 + number)
    told.put((time.perf_counter() - start, time.process_time() - cpu))


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=48)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--cache", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.processes)
    reference = reference_seconds()
    HeadKit.load(options.shared / "heads", cache=options.cache)  # builds it if need be
    processes = torch.multiprocessing.get_context("spawn")
    ready, told = processes.Barrier(options.processes), processes.SimpleQueue()
    torch.multiprocessing.spawn(make_share, (options, ready, told), options.processes)
    spent = [told.get() for _ in range(options.processes)]
    # Until the last process is done.
    seconds = max(wall for wall, _ in spent) / options.count
    cpu = sum(cpu for _, cpu in spent) / options.count
    print(f"{options.count} pictures of {options.size} x {options.size}, {options.processes} processes")
    print(f"{'one picture':28}{seconds * 1000:9.1f} ms")
    print(f"{'processor time of it':28}{cpu * 1000:9.1f} ms")
    print(f"{'pictures a second':28}{1 / seconds:9.1f}")
    print(f"{'picture / reference work':28}{seconds / reference:9.2f}")
    rate, times = round(1 / seconds, 2), round(seconds / reference, 3)
    print(json.dumps({"images_per_second": rate, "times_reference": times, "processor_seconds": round(cpu, 4)}))


if __name__ == "__main__":
    main()
