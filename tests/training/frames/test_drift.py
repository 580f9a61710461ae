"""The drift of a frame denoiser follows that of the landmarks."""

import numpy as np
import pytest

from emotalker.frames.denoiser import FrameDenoiser, FrameShape
from emotalker.training.frames.batches import FramePairs
from emotalker.training.frames.drift import drift_error, fit_drift


def test_the_drift_is_fitted_to_the_landmarks(data):
    pairs = FramePairs(data / "pairs" / "train")
    model = FrameDenoiser(FrameShape(channels=(16, 16, 32, 32), tokens=32))
    moves = pairs.movement(np.arange(len(pairs)), np.zeros(len(pairs), bool))
    before = drift_error(model, *moves)
    assert before == pytest.approx(float(moves[4].abs().mean()), rel=0.2)  # nothing drifts yet; some landmarks lie outside
    fit_drift(model, pairs, 0, steps=60, count=12)
    assert drift_error(model, *moves) < 0.8 * before
