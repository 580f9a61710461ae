import torch

from emotalker.weights.packing import pack, unpack


def test_matrices_take_a_byte_a_weight_and_come_back_nearly_the_same():
    torch.manual_seed(0)
    before = {"matrix": torch.randn(16, 400) * torch.logspace(-3, 1, 16)[:, None], "bias": torch.randn(16)}
    packed = pack(before)
    assert packed["matrix"].dtype == torch.int8 and packed["bias"].dtype == torch.float16
    after = unpack(packed)
    assert set(after) == set(before)
    step = before["matrix"].abs().amax(1, keepdim=True) / 127
    assert ((after["matrix"] - before["matrix"]).abs() <= 0.501 * step).all()
    assert torch.allclose(after["bias"], before["bias"], atol=2e-3)


def test_a_row_of_zeros_stays_zero():
    assert (unpack(pack({"matrix": torch.zeros(2, 3)}))["matrix"] == 0).all()
