"""What the tests of pairs, painting and perception share: a small motion corpus, pairs and heads made from the data kit."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from emotalker.speech.features import SpeechFeatures
from emotalker.training.frames.pairs import PairMaker
from emotalker.training.frames.pairs import write_shard as write_pairs
from emotalker.training.heads.kit import HeadKit
from emotalker.training.heads.make import HeadMaker, write_shard
from emotalker.training.motion.corpus import Clip, MotionCorpus, perform_clip
from emotalker.training.run import Run


@pytest.fixture(scope="session")
def heads_kit(shared, tmp_path_factory) -> HeadKit:
    return HeadKit.load(shared / "heads", cache=tmp_path_factory.mktemp("kit"))


@pytest.fixture(scope="session")
def motion_corpus(talk) -> MotionCorpus:
    """Two clips of three seconds, one for each split."""
    draw = np.random.default_rng(0)
    heard: list[SpeechFeatures] = [talk(3.0, seed=seed) for seed in (1, 2)]
    parts = zip(*(perform_clip(Clip(part, part), draw, takes=2) for part in heard), strict=True)
    return MotionCorpus(*([value.half().numpy() for value in part] for part in parts))


@pytest.fixture(scope="session")
def data(heads_kit, motion_corpus, tmp_path_factory) -> Path:
    """A folder with heads/ and pairs/, each with train/ and held_out/."""
    folder = tmp_path_factory.mktemp("faces")
    for split, count in (("train", 3), ("held_out", 1)):
        for kind in ("heads", "pairs"):
            (folder / kind / split).mkdir(parents=True)
        maker = PairMaker(heads_kit, motion_corpus, split)
        made = []
        number = 0
        while len(made) < count:
            pair = maker.make(number)
            number += 1
            if pair is not None:
                made.append(pair)
        write_pairs(folder / "pairs" / split / "pairs-00000.safetensors", made)
        heads = HeadMaker(heads_kit, split)
        write_shard(folder / "heads" / split / "heads-00000.safetensors", [heads.make(number) for number in range(8)])
    return folder


@pytest.fixture(scope="session")
def compare_with_stopped() -> Callable[..., None]:
    """Checks that a run which is stopped halfway, with more steps taken than were kept, gives the very same weights."""

    def compare(make: Callable[[str], Run], also: tuple[str, ...] = ()) -> None:
        whole = make("whole")
        half = whole.options.steps // 2
        losses = list(whole.train())
        stopped = make("stopped")
        for loss, expected in zip(stopped.train(), losses[: half + 1], strict=False):
            assert loss == expected
            if stopped.step == half:
                stopped.save()
        again = make("stopped")
        assert again.step == half and list(again.train()) == losses[half:]
        for name in ("model", "averaged", *also):
            expected = getattr(whole, name).state_dict()
            for key, value in getattr(again, name).state_dict().items():
                assert torch.equal(value, expected[key]), (name, key)

    return compare
