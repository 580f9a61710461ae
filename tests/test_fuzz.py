"""The benchmark that reads damaged inputs: it tries every kind, and notices what it is there to notice."""

import random
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture
def fuzz(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    monkeypatch.delitem(sys.modules, "fuzz", raising=False)
    import fuzz

    return fuzz


def test_some_seconds_find_no_traceback(fuzz):
    found = fuzz.fuzz(6, 1)
    assert found["tracebacks"] == 0, found["distinct"]
    assert sum(found["tried"].values()) > 0 and set(found["tried"]) == set(fuzz.KINDS)
    assert found["slowest_seconds"] < 30 and found["largest_mb"] < 2048


def test_one_seed_spoils_alike_and_does_spoil(fuzz):
    good = bytes(range(256)) * 4
    first = [fuzz.spoil(good, random.Random(seed)) for seed in range(20)]
    assert first == [fuzz.spoil(good, random.Random(seed)) for seed in range(20)]
    assert sum(data != good for data in first) >= 18 and len(set(first)) >= 18


def test_a_traceback_is_noticed(fuzz, tmp_path):
    worker = fuzz.Worker()
    try:
        error, place, _, _ = worker.read("emotion", tmp_path / "is not there.json")
    finally:
        worker.close()
    assert error.startswith("FileNotFoundError") and place.startswith("fuzz.py:")
