"""The options of `emotalker train PART`: their help is whole, and numbers have limits."""

import argparse
import importlib
import math

import pytest

from emotalker.cli import TRAINED, main


def parser_of(part, monkeypatch) -> argparse.ArgumentParser:
    """The parser with which a part reads its command."""
    found = []

    def read(self, arguments=None, namespace=None):
        found.append(self)
        raise SystemExit(0)

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", read)
    with pytest.raises(SystemExit):
        importlib.import_module(f"emotalker.training.{TRAINED[part]}").main([])
    monkeypatch.undo()
    return found[0]


@pytest.mark.parametrize("part", sorted(TRAINED))
def test_help_names_the_command_and_says_something_of_every_option(part, monkeypatch, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["train", part, "--help"])
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: emotalker train {part} ")
    assert [action.dest for action in parser_of(part, monkeypatch)._actions if not action.help] == []


@pytest.mark.parametrize("part", sorted(TRAINED))
def test_every_option_is_understood(part, monkeypatch):
    parser = parser_of(part, monkeypatch)
    words, expected = [], {}
    for action in parser._actions:
        if isinstance(action, argparse._HelpAction):
            continue
        value = action.choices[0] if action.choices else "1"
        words += action.option_strings[-1:] if action.nargs == 0 else [action.option_strings[-1], str(value)]
        expected[action.dest] = value
    read = vars(parser.parse_args(words))
    assert read.keys() == expected.keys()
    for name, value in expected.items():
        assert read[name] is True or str(read[name] if not isinstance(read[name], list) else read[name][0]) in (value, "1.0")


@pytest.mark.parametrize("part", sorted(TRAINED))
def test_numbers_have_limits(part, monkeypatch, capsys):
    parser = parser_of(part, monkeypatch)
    kinds = {action.option_strings[-1]: action for action in parser._actions if action.option_strings}
    assert not [name for name, action in kinds.items() if action.type in (int, float)]
    numbers = [name for name, action in kinds.items() if getattr(action.type, "__module__", "") == "emotalker.arguments"]
    assert numbers
    for name in numbers:
        for wrong in ("nan", "inf", "-1", "1e39", str(math.pi) + "x"):
            with pytest.raises(SystemExit):
                parser.parse_args([f"{name}={wrong}"])
            assert name in capsys.readouterr().err.splitlines()[-1]
