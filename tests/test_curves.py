"""Curves have the values that their formulas say."""

import pytest
import torch

from emotalker.curves import gaussian, sample, smoothstep


def test_samples_are_joined_by_lines_and_held_at_the_ends():
    read = sample(torch.tensor([[0.0, 1.0], [2.0, 1.0], [4.0, 0.0]]), 10.0, torch.tensor([-1.0, 0.05, 0.1, 0.175, 9.0]))
    assert read[:, 0].tolist() == pytest.approx([0, 1, 2, 3.5, 4])
    assert read[:, 1].tolist() == pytest.approx([1, 1, 1, 0.25, 0])


def test_a_step_is_held_outside_and_may_fall():
    at = torch.tensor([-1.0, 0.0, 0.5, 1.0, 2.0, 3.0])
    assert smoothstep(at, 0.0, 2.0).tolist() == pytest.approx([0, 0, 0.15625, 0.5, 1, 1])
    assert smoothstep(at, 2.0, 0.0).tolist() == pytest.approx([1, 1, 0.84375, 0.5, 0, 0])
    assert smoothstep(torch.tensor(0.25)).item() == pytest.approx(0.15625)


def test_gaussian_weights_sum_to_one_in_the_type_asked_for():
    kernel = gaussian(2.0, 6, torch.zeros(1, dtype=torch.float64))
    assert kernel.dtype == torch.float64 and len(kernel) == 13
    assert kernel.sum().item() == pytest.approx(1)
    assert (kernel[4] / kernel[6]).item() == pytest.approx(0.60653066)  # one sigma away
