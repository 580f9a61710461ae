"""The benchmark that reads damaged inputs: it tries every kind, and notices what it is there to notice."""

import functools
import os
import random
import sys
from pathlib import Path

import pytest
import torch

from emotalker.errors import UserError

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
    assert found["tried"] == sum(found["kinds"].values()) > 0 and set(fuzz.KINDS) <= set(found["kinds"])
    assert len(set(found["kinds"]) - set(fuzz.KINDS)) == (17 if "COMFYUI_PATH" in os.environ else 0)
    assert found["slowest_seconds"] < 30 and (found["largest_mb"] is None or found["largest_mb"] < 2048)


def test_one_seed_spoils_alike_and_does_spoil(fuzz):
    good = bytes(range(256)) * 4
    first = [fuzz.spoil(good, random.Random(seed)) for seed in range(20)]
    assert first == [fuzz.spoil(good, random.Random(seed)) for seed in range(20)]
    assert sum(data != good for data in first) >= 18 and len(set(first)) >= 18


def broken():
    raise KeyError("a")


def test_a_traceback_is_noticed_whatever_else_happens(fuzz):
    def refused():
        raise UserError("Use another.")

    assert fuzz.measured([refused], (UserError,)).refused == "Use another."
    assert fuzz.measured([refused], (UserError,)).error == ""
    answer = fuzz.measured([refused, broken, lambda: 1], (UserError,))
    assert answer.error == "KeyError: 'a'" and answer.place.startswith("test_fuzz.py:")


def test_memory_is_measured_for_each_reading_and_its_limit_holds(fuzz):
    gauge = fuzz.Gauge()
    if not gauge.forgets:
        pytest.skip("this system does not forget the highest memory of a process")
    first, second = (fuzz.measured([functools.partial(torch.ones, count << 18)], ()) for count in (400, 100))
    assert 380 < first.megabytes < 600 and 80 < second.megabytes < 200
    if not second.limited:
        pytest.skip("this system does not limit memory")
    assert "allocate" in fuzz.measured([lambda: torch.empty(3 << 30, dtype=torch.uint8)], ()).error

    def hidden():
        try:
            bytearray(3 << 30)
        except MemoryError:
            raise UserError("This cannot be read.") from None

    assert fuzz.measured([hidden], (UserError,)).error.startswith("UserError: This cannot be read")
    assert len(bytearray(3 << 30)) == 3 << 30  # the limit is gone again


def test_a_kind_whose_good_input_is_refused_stops_the_run(fuzz, tmp_path, monkeypatch):
    monkeypatch.delenv("COMFYUI_PATH", raising=False)
    with pytest.raises(RuntimeError, match="a good input of the kind emotion is not accepted"):
        fuzz.start(tmp_path, {"emotion": [("json", b"{}")]})


def test_without_resource_it_still_reads(fuzz, monkeypatch):
    monkeypatch.setattr(fuzz, "resource", None)
    answer = fuzz.measured([broken], ())
    assert answer.error and not answer.limited


def test_what_cannot_be_measured_is_told_as_such(fuzz, monkeypatch):
    monkeypatch.setattr(fuzz, "resource", None)

    def absent(name):
        raise OSError(name)

    monkeypatch.setattr(fuzz, "_kilobytes", absent)
    assert fuzz.measured([lambda: 1], ()).megabytes is None
