"""Inputs that several nodes have."""

from collections.abc import Callable

from comfy_api.latest import io

from ..emotalker.emotion.taxonomy import MAX_STRENGTH
from ..emotalker.errors import quoted


def strength(name: str, default: float, tooltip: str) -> io.Float.Input:
    """A slider for the strength of an emotion, or for a factor on strengths."""
    return io.Float.Input(
        name,
        default=default,
        min=0.0,
        max=MAX_STRENGTH,
        step=0.05,
        display_mode=io.NumberDisplay.slider,
        tooltip=tooltip,
    )


def seconds(name: str, default: float, tooltip: str, least: float = 0.0, step: float = 0.05) -> io.Float.Input:
    """A time or a length, up to ten hours."""
    return io.Float.Input(name, default=default, min=least, max=36000.0, step=step, tooltip=tooltip)


def accepted(check: Callable[[str], object], value: str | None) -> bool | str:
    """What validate_inputs answers: True, or what the check says against a widget's value (None: it is wired)."""
    if value is not None:
        if not isinstance(value, str):
            return f"{quoted(value)} is no name: choose one of the list."
        try:
            check(value)
        except ValueError as error:
            return str(error)
    return True
