"""The picture of a track shows each emotion in its colour at its time."""

import torch

from emotalker.emotion.plot import COLOURS, plot_track
from emotalker.emotion.taxonomy import EMOTIONS
from emotalker.emotion.track import EmotionTrack, Segment


def share(picture, emotion, left=0.0, right=1.0):
    """Share of pixels near an emotion's colour between two shares of the width."""
    width = picture.shape[1]
    part = picture[:, int(left * width) : int(right * width)]
    return float(((part - torch.tensor(COLOURS[emotion]) / 255).abs().max(-1).values < 0.06).float().mean())


def test_size_and_range():
    picture = plot_track(EmotionTrack.constant(happy=1.5), 3.0, size=(640, 300))
    assert picture.shape == (300, 640, 3) and picture.dtype == torch.float32
    assert picture.min() >= 0 and picture.max() <= 1


def test_every_emotion_has_its_own_colour():
    assert set(COLOURS) == set(EMOTIONS) and len(set(COLOURS.values())) == len(EMOTIONS)
    for emotion in EMOTIONS:
        picture = plot_track(EmotionTrack.constant({emotion: 0.6}), 4.0)
        assert share(picture, emotion) > 0.001
        others = (other for other in EMOTIONS if other not in (emotion, "neutral"))  # letters are grey too
        assert all(share(picture, other) == 0 for other in others)


def test_equal_emotions_do_not_hide_each_other():
    picture = plot_track(EmotionTrack.constant(happy=0.6, sad=0.6, fear=0.6), 4.0)[60:]
    assert min(share(picture, emotion) for emotion in ("happy", "sad", "fear")) > 0.0005


def test_emotions_stand_at_their_time():
    track = EmotionTrack((Segment(0, 3, {"sad": 0.8}), Segment(3, 6, {"angry": 0.8})))
    picture = plot_track(track, 6.0)[60:]  # below the legend
    assert share(picture, "sad", 0, 0.4) > 0 and share(picture, "sad", 0.6, 1) == 0
    assert share(picture, "angry", 0, 0.4) == 0 and share(picture, "angry", 0.6, 1) > 0


def test_face_units_speech_and_words_are_drawn(talk_with_pauses):
    track = EmotionTrack.constant(happy=0.5)
    plain = plot_track(track, 4.0)
    lanes = plot_track(track.with_segment(Segment(1, 3, units={"browInnerUp": 1.0})), 4.0)
    speech = plot_track(track, 4.0, speech=talk_with_pauses(4.0, (1.0, 3.0)))
    words = plot_track(track, 4.0, passages=[Words()])
    assert all((other - plain).abs().max() > 0.1 for other in (lanes, speech, words))


def test_odd_tracks_are_drawn():
    many = EmotionTrack.constant(dict.fromkeys(EMOTIONS, 1.5)).with_segment(
        Segment(units=dict.fromkeys(("jawOpen", "mouthPucker", "cheekPuff", "tongueOut", "mouthClose", "browInnerUp"), 1.0))
    )
    for track, seconds in ((EmotionTrack(), 5.0), (many, 0.04), (many, 5000.0)):
        assert plot_track(track, seconds, (320, 200)).std() > 0.01


class Words:
    text, start, end = "over the moon", 0.0, 4.0
