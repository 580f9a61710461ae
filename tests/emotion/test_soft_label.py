"""The soft label: shares of what is shown, neutral where little is."""

import torch

from emotalker.emotion.soft_label import CLEAR, soft_label
from emotalker.emotion.taxonomy import EMOTION_INDEX, EMOTIONS


def test_shares_follow_strengths_and_a_trace_is_mostly_neutral():
    strengths = torch.zeros(4, len(EMOTIONS))
    strengths[1, EMOTION_INDEX["happy"]] = 1.0
    strengths[2, EMOTION_INDEX["happy"]], strengths[2, EMOTION_INDEX["sad"]] = 0.9, 0.3
    strengths[3, EMOTION_INDEX["fear"]] = 0.2 * CLEAR
    label = soft_label(strengths)
    assert torch.allclose(label.sum(1), torch.ones(4))
    assert label[0, EMOTION_INDEX["neutral"]] == 1 and label[1, EMOTION_INDEX["happy"]] == 1
    assert torch.isclose(label[2, EMOTION_INDEX["happy"]], torch.tensor(0.75))
    assert torch.isclose(label[3, EMOTION_INDEX["neutral"]], torch.tensor(0.8))
