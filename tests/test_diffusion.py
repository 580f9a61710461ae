import sys

import pytest

from emotalker import diffusion
from emotalker.errors import UserError


def test_without_diffusers_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "diffusers", None)
    diffusion.from_diffusers.cache_clear()
    with pytest.raises(UserError, match=r"requirements\.txt"):
        diffusion.make_scheduler()


@pytest.mark.parametrize("solver", ["ddim", "dpm", "dpm1"])
def test_the_process_ends_in_noise_alone(solver):
    assert float(diffusion.make_scheduler(solver).alphas_cumprod[-1]) == pytest.approx(0, abs=1e-6)
