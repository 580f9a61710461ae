"""Where a head's teeth belong. MakeHuman's, which the rig and the synthetic people have, sit high and are half as tall as
people's: every smile would show gums."""

from torch import Tensor

from .rig import Rig

LIP_LINE = [13, 14]
"""Landmarks in the middle of the inner lips."""
_FRONT = 0.1
"""Front teeth lie nearer than this to the middle of the rig's mouth."""
_TIP, _CROWN, _TALLER = 0.025, 0.08, 2.4
"""How far from their edges tips and crowns of front teeth reach, in distances between the eyes (1.6 and 5 mm), and how many
times as tall crowns become beyond their tips, so that the gaps between tips stay: 10 mm, people's upper middle incisors have 10
to 11."""
_CANINE, _MOLAR, _LOW = 0.2, 0.4, 0.3
"""How far from the middle teeth begin to grow less and which share they grow from the second on."""
_MOST_GIVEN = 0.8
"""Of the height of the gums, how much tall crowns may take."""


def placed(rig: Rig, name: str, down: Tensor, edge: float, unit: float) -> Tensor:
    """Where a row of teeth belongs.

    Args:
        rig: whose teeth they are.
        name: "teeth_upper" or "teeth_lower".
        down: [N] how far down the row's vertices are.
        edge: how far down the edge of the front teeth belongs.
        unit: distance between the eyes.

    Returns:
        [N] how far down they belong.
    """
    beside = rig.vertices[rig.group_vertices(name), 0].abs()
    ends = down[beside < _FRONT]
    tip, gums = (ends.amax(), -1) if name == "teeth_upper" else (ends.amin(), 1)
    away = (down - tip) * gums / unit
    more = (_TALLER - 1) * (_CROWN - _TIP) * (1 - (1 - _LOW) * ((beside - _CANINE) / (_MOLAR - _CANINE)).clamp(0, 1))
    grown = more * ((away - _TIP) / (_CROWN - _TIP)).clamp(0, 1)
    # Gums give way, lest they reach out of the chin.
    rest = away.amax() - _CROWN
    given = more.clamp(max=_MOST_GIVEN * float(rest)) * ((away - _CROWN) / rest).clamp(min=0)
    return edge + gums * unit * (away + grown - given)
