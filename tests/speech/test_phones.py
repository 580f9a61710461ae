import csv

import numpy as np

from emotalker.speech.features import VISEME_INDEX, VISEMES, frame_count
from emotalker.speech.phones import ARPABET_VISEMES, sample_segments, viseme_segments


def test_phones_show_the_visemes_of_the_published_table(shared):
    with open(shared / "priors" / "arpabet_to_viseme.csv", encoding="utf-8") as file:
        table = {row["phoneme"]: tuple(row["viseme"].split()) for row in csv.DictReader(file)}
    assert table == ARPABET_VISEMES


def test_visemes_have_the_published_order(shared):
    with open(shared / "priors" / "visemes_oculus.csv", encoding="utf-8") as file:
        assert tuple(row["viseme"] for row in csv.DictReader(file)) == VISEMES


def test_a_diphthong_changes_in_the_middle():
    assert viseme_segments([(1.0, 1.2, "AY")]) == [(1.0, 1.1, "aa"), (1.1, 1.2, "ih")]


def test_time_outside_the_segments_is_silence():
    found = sample_segments([(0.1, 0.2, "PP"), (0.3, 0.4, "aa")], np.array([0.0, 0.1, 0.19, 0.25, 0.35, 0.5]))
    assert [VISEMES[i] for i in found] == ["sil", "PP", "PP", "sil", "aa", "sil"]
    assert (sample_segments([], np.array([0.1])) == VISEME_INDEX["sil"]).all()


def test_the_video_is_never_shorter_than_the_sound_nor_a_frame_longer():
    for samples in range(1, 40000, 997):
        for fps in (24, 25, 29.97, 60):
            duration = samples / 16000
            frames = frame_count(duration, fps)
            assert frames / fps >= duration - 1e-6
            assert frames == 1 or (frames - 1) / fps < duration
