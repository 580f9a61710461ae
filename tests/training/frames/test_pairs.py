"""Pairs of rig and truth: the guide is the truth's face in the truth's place, and the same number is the same pair."""

import torch

from emotalker.arkit import UNIT_INDEX
from emotalker.frames.guide import MAPS
from emotalker.training.frames.pairs import CROP, EAR, FRAMES, MAP, PairMaker, applied, inverse, joined, read_shard


def pairs(data):
    return read_shard(data / "pairs" / "train" / "pairs-00000.safetensors")


def test_what_is_stored(data):
    pair = pairs(data)[0]
    assert pair.portrait.shape == (CROP, CROP, 3) and pair.guides.shape == pair.truths.shape == (FRAMES, CROP, CROP, 3)
    assert pair.maps.shape == (FRAMES, len(MAPS), MAP, MAP)
    assert pair.units.shape == (FRAMES, 52) and pair.head.shape == (FRAMES, 6) and pair.speech.shape == (FRAMES, EAR, 17)
    assert pair.places.shape == pair.drifts.shape == (FRAMES, 478, 2)
    assert pair.taken.shape == pair.own_units.shape == (52,) and 0 <= pair.taken.min() <= pair.taken.max() <= 1
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


def test_drifts_lead_from_the_truth_to_the_guide(data):
    """What a pixel of the truth shows at a landmark is nearer to the guide where the drift leads than beside it."""
    there, here = [], []
    # Where the portrait's mouth stands open its own teeth are in the guide, which no landmark follows.
    for pair in (pair for pair in pairs(data) if pair.own_units[UNIT_INDEX["jawOpen"]] < 0.2):
        for guide, truth, places, drifts in zip(pair.guides, pair.truths, pair.places, pair.drifts, strict=True):
            some = (drifts.norm(dim=1) > 2) & (places > 8).all(1) & (places < CROP - 8).all(1)
            grey = [torch.from_numpy(image).float().mean(-1)[None, None] for image in (guide, truth)]
            one, other = (torch.nn.functional.avg_pool2d(image, 3, 1, 1)[0, 0] for image in grey)

            def at(picture, points):
                x, y = points.round().long().clamp(0, CROP - 1).unbind(1)
                return picture[y, x]

            told = at(other, places[some])
            there.append((at(one, places[some] + drifts[some]) - told).abs())
            here.append((at(one, places[some]) - told).abs())
    assert torch.cat(there).mean() < torch.cat(here).mean()


def test_maps_join_and_turn_back():
    generator = torch.Generator().manual_seed(0)
    one, other = torch.randn(2, 3, 2, 3, generator=generator)
    points = torch.randn(3, 5, 2, generator=generator)
    assert torch.allclose(applied(joined(one, other), points), applied(one, applied(other, points)), atol=1e-5)
    assert torch.allclose(applied(inverse(one), applied(one, points)), points, atol=1e-4)


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
