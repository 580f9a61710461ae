"""Frame rates as fractions."""

from fractions import Fraction

from ..errors import UserError

BROADCAST = (12, 15, 24, 30, 48, 60, 120)
"""Whole rates that broadcasters slow down by 1000 / 1001."""


def exact_rate(fps: float | Fraction) -> Fraction:
    """A frame rate as a fraction: 23.976, 29.97, 59.94 and their kin are n * 1000 / 1001, as broadcasters mean them.

    Raises:
        UserError: no number from 1 to 240.
    """
    if not 1 <= fps <= 240:
        raise UserError(f"{float(fps):g} frames per second is out of range: choose 1 to 240.")
    for whole in BROADCAST:
        if abs(fps - (exact := Fraction(whole * 1000, 1001))) < 0.005:
            return exact
    return Fraction(fps).limit_denominator(1001)
