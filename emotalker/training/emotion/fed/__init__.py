"""FED (Facial Emotion Description): descriptions of how a face should feel, each with a strength for every emotion.

The paper names such a data set and never published it; this one is ours (CC0, see README.md beside this file). It
has a hand-written part, stored (`load_fed`), and a generated part, made on demand from the training vocabulary
(`generate_fed`). `python -m emotalker.training.emotion.fed` prints the card.
"""

from .data import KINDS, SPLITS, Item, load_fed
from .generator import generate_fed

__all__ = ["KINDS", "SPLITS", "Item", "generate_fed", "load_fed"]
