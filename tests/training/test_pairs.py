"""Pairs of rig and truth: the guide is the truth's face in the truth's place, and the same number is the same pair."""

import torch

from emotalker.frames.guide import MAPS
from emotalker.training.pairs import CROP, EAR, FRAMES, MAP, PairMaker, read_shard


def pairs(data):
    return read_shard(data / "pairs" / "train" / "pairs-00000.safetensors")


def test_what_is_stored(data):
    pair = pairs(data)[0]
    assert pair.portrait.shape == (CROP, CROP, 3) and pair.guides.shape == pair.truths.shape == (FRAMES, CROP, CROP, 3)
    assert pair.maps.shape == (FRAMES, len(MAPS), MAP, MAP)
    assert pair.units.shape == (FRAMES, 52) and pair.head.shape == (FRAMES, 6) and pair.speech.shape == (FRAMES, EAR, 17)
    assert pair.heard.dtype == torch.bool and pair.strengths.shape == (FRAMES, 8)


def test_a_guide_is_nearer_to_its_truth_than_the_portrait_is(data):
    nearer = []
    for pair in pairs(data):
        for guide, truth, maps in zip(pair.guides, pair.truths, pair.maps, strict=True):
            face = torch.from_numpy(maps[MAPS.index("face")] > 127).repeat_interleave(4, 0).repeat_interleave(4, 1)
            wrong = [
                (torch.from_numpy(a).float() - torch.from_numpy(truth).float()).abs().mean(-1)[face].mean()
                for a in (guide, pair.portrait)
            ]
            nearer.append(bool(wrong[0] < wrong[1]))
    assert sum(nearer) >= 0.75 * len(nearer)


def test_the_same_number_is_the_same_pair(heads_kit, motion_corpus, data):
    first = pairs(data)[0]
    maker = PairMaker(heads_kit, motion_corpus)
    again = next(pair for number in range(5) if (pair := maker.make(number)) is not None)
    assert again.identity == first.identity and torch.allclose(again.units, first.units, atol=1e-3)
    assert abs(again.portrait.astype(int) - first.portrait).mean() < 3  # one went through JPEG


def test_splits_share_no_person(data):
    train, held_out = (
        {pair.identity for pair in read_shard(data / "pairs" / split / "pairs-00000.safetensors")}
        for split in ("train", "held_out")
    )
    assert len(train) == 3 and len(held_out) == 1
