"""The guide to training names what there is."""

import importlib
import re
from pathlib import Path

import pytest

from emotalker import training
from emotalker.cli import TRAINED
from emotalker.weights import FOLDER

README = (Path(training.__file__).parent / "README.md").read_text(encoding="utf-8")


def test_its_commands_are_there():
    parts = set(re.findall(r"emotalker train (\w+)", README))
    modules = set(re.findall(r"python -m emotalker\.training\.([\w.]+)", README))
    assert parts == set(TRAINED)
    for name in {*modules, *TRAINED.values()}:
        path = Path(training.__file__).parent / f"{name.replace('.', '/')}.py"
        assert path.is_file() and re.search(r"^(def main|main = )", path.read_text(encoding="utf-8"), re.MULTILINE), name


def test_it_says_of_every_weight_file_what_makes_it_again():
    table = README.split("## What one command makes again")[1].split("##")[0]
    rows = [row.split("|")[1] for row in table.splitlines() if row.startswith("|")]
    told = [name.strip() for row in rows[2:] for name in row.split(",")]
    assert sorted(told) == sorted(path.stem for path in FOLDER.glob("*.safetensors"))


@pytest.mark.parametrize("part", sorted(set(TRAINED) - {"prepare"}))
def test_its_smallest_commands_are_understood(part):
    commands = re.findall(rf"python -m emotalker train {part} (--(?!smoke)[^`\n]*)", README)
    run = importlib.import_module(f"emotalker.training.{TRAINED[part]}").main.__self__
    assert commands
    for command in commands:
        options = run.parse(command.split())
        assert options.steps == run.STEPS and options.out == FOLDER
