"""Emotions over time: averaged over moments, and compared with what was asked for."""

import math

import pytest
import torch

from emotalker.emotion.soft_label import soft_label
from emotalker.emotion.taxonomy import EMOTION_INDEX, EMOTIONS
from emotalker.scoring.emotions import emotion_match, main_emotions, pooled

FPS = 25.0


def felt(name, strength=1.0, frames=50):
    strengths = torch.zeros(frames, len(EMOTIONS))
    strengths[:, EMOTION_INDEX[name]] = strength
    return strengths


def test_pooling_keeps_what_is_steady_and_smooths_what_is_not():
    steady = torch.full((40, 2), 0.3)
    assert torch.allclose(pooled(steady, FPS), steady)
    flicker = torch.tensor([[0.0], [1.0]]).repeat(30, 1)
    assert (pooled(flicker, FPS)[10:-10] - 0.5).abs().max() < 0.05


def test_pooling_leaves_out_frames_without_a_face():
    values = torch.full((40, 1), 0.4)
    values[10:20] = math.nan
    assert torch.allclose(pooled(values, FPS), torch.full((40, 1), 0.4))
    assert pooled(torch.full((5, 1), math.nan), FPS).isnan().all()


def test_the_match_is_one_for_what_was_asked_and_falls_for_anything_else():
    asked = felt("happy")
    assert emotion_match(asked, soft_label(felt("happy")), FPS) == pytest.approx(1)
    assert emotion_match(asked, soft_label(felt("sad")), FPS) == pytest.approx(0, abs=1e-6)
    half = (soft_label(felt("happy")) + soft_label(felt("neutral"))) / 2
    assert emotion_match(asked, half, FPS) == pytest.approx(0.5)


def test_nothing_asked_means_a_neutral_face():
    assert emotion_match(torch.zeros(50, 8), soft_label(torch.zeros(50, 8)), FPS) == pytest.approx(1)
    assert emotion_match(torch.zeros(50, 8), soft_label(felt("angry")), FPS) == pytest.approx(0, abs=1e-6)


def test_emotions_count_when_they_were_asked_for():
    asked = torch.cat([felt("happy"), felt("sad")])
    right, wrong = asked, torch.cat([felt("sad"), felt("happy")])
    assert emotion_match(asked, soft_label(right), FPS) > 0.85
    assert emotion_match(asked, soft_label(wrong), FPS) < 0.15


def test_frames_without_a_face_do_not_count():
    shown = soft_label(felt("happy"))
    shown[:20] = math.nan
    assert emotion_match(felt("happy"), shown, FPS) == pytest.approx(1)
    assert emotion_match(felt("happy"), torch.full((50, 8), math.nan), FPS) is None


def test_main_emotions_come_largest_first():
    shares = main_emotions(torch.cat([soft_label(felt("fear", frames=30)), soft_label(felt("sad", frames=10))]))
    assert list(shares)[:2] == ["fear", "sad"] and shares["fear"] == pytest.approx(0.75)
    assert main_emotions(torch.full((3, 8), math.nan)) == {}
