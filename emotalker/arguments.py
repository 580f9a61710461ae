"""Types for argparse that more than one command uses."""

import argparse
import math
from collections.abc import Callable

from .errors import quoted


def number(low: float, high: float) -> Callable[[str], float]:
    """A type for argparse: a number within limits."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{quoted(text)} is no number from {low:g} to {high:g}")
        return value

    return read


def whole(low: int, high: int) -> Callable[[str], int]:
    """A type for argparse: a whole number within limits."""

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = low - 1
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{quoted(text)} is no whole number from {low} to {high}")
        return value

    return read
