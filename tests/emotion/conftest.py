"""A stand-in for the emotion reader, which knows a few words; speech with known pauses."""

from dataclasses import dataclass

import pytest
import torch

from emotalker.speech.features import VISEMES, SpeechFeatures, frame_count

WORDS = {
    "calm": {"neutral": 0.6},
    "furious": {"angry": 0.9},
    "angry": {"angry": 0.55},
    "tears": {"sad": 0.8},
    "sad": {"sad": 0.55},
    "happy": {"happy": 0.55},
    "laugh": {"happy": 0.8},
    "scared": {"fear": 0.55},
    "😡": {"angry": 0.8},
}


@dataclass
class FakeReading:
    text: str
    strengths: dict
    truncated: bool
    understood: bool


class FakeBlock:
    """Has the `read` of EmotionIntensityBlock; remembers what it was asked."""

    def __init__(self):
        self.asked = []

    def read(self, texts):
        self.asked += texts
        readings = []
        for text in texts:
            strengths = {}
            for word, values in WORDS.items():
                if word in text.lower():
                    strengths |= values
            readings.append(FakeReading(text, strengths or {"neutral": 0.55}, len(text.split()) > 150, bool(strengths)))
        return readings


@pytest.fixture
def block():
    return FakeBlock()


@pytest.fixture(scope="session")
def talk_with_pauses():
    """`talk(seconds, *pauses)` → SpeechFeatures that are loud and voiced but for these (start s, end s)."""

    def make(seconds, *pauses, fps=25.0):
        count = frame_count(seconds, fps)
        times = (torch.arange(count) + 0.5) / fps
        speaking = torch.ones(count)
        for start, end in pauses:
            speaking[(times >= start) & (times < end)] = 0
        visemes = torch.zeros(count, len(VISEMES))
        visemes[:, 0], visemes[:, 10] = 1 - speaking, speaking
        return SpeechFeatures(fps, visemes, speaking, 0.8 * speaking, torch.zeros(count, 4), seconds)

    return make
