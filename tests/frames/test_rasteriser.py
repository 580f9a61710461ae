"""The rasteriser draws what the definition of a triangle says."""

import pytest
import torch

from emotalker.frames.rasteriser import rasterise


def by_hand(points, triangles, values, size):
    """Every pixel against every triangle: slow and plainly right. Returns values, and how far inside the nearest edge is."""
    h, w = size
    y, x = torch.meshgrid(torch.arange(h) + 0.5, torch.arange(w) + 0.5, indexing="ij")
    best = torch.full((h, w), float("inf"))
    result = torch.zeros(h, w, values.shape[-1])
    nearest_edge = torch.full((h, w), float("inf"))
    for a, b, c in triangles.tolist():
        p = points[[a, b, c]]
        matrix = torch.stack([p[:, 0], p[:, 1], torch.ones(3)])
        if matrix.det().abs() < 1e-6:
            continue
        weights = torch.einsum("ij,jhw->ihw", matrix.inverse(), torch.stack([x, y, torch.ones_like(x)]))
        nearest_edge = torch.minimum(nearest_edge, weights.abs().amin(0))
        depth = torch.einsum("ihw,i->hw", weights, p[:, 2])
        front = (weights.amin(0) >= 0) & (depth < best)
        best = torch.where(front, depth, best)
        result = torch.where(front[..., None], torch.einsum("ihw,ik->hwk", weights, values[[a, b, c]]), result)
    return result, best.isfinite(), nearest_edge


def scene(seed, count=40, size=48):
    generator = torch.Generator().manual_seed(seed)
    points = torch.rand(3 * count, 3, generator=generator) * torch.tensor([size * 1.4, size * 1.4, 10.0]) - 0.2 * size
    return points, torch.arange(3 * count).view(-1, 3), torch.rand(3 * count, 2, generator=generator)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_equals_the_definition(seed):
    points, triangles, values = scene(seed)
    drawn = rasterise(points[None], triangles, values, (48, 40))
    wanted, covered, edge = by_hand(points, triangles, values, (48, 40))
    sure = edge > 2e-3  # on an edge either neighbour may win
    assert sure.float().mean() > 0.7
    assert torch.equal(drawn.covered[0][sure], covered[sure])
    assert (drawn.values[0] - wanted).abs()[sure & covered].max() < 2e-3


def test_batch_equals_single():
    points, triangles, values = scene(3)
    other, _, _ = scene(4)
    both = rasterise(torch.stack([points, other]), triangles, values, (48, 48))
    for i, one in enumerate((points, other)):
        single = rasterise(one[None], triangles, values, (48, 48))
        assert torch.equal(both.covered[i], single.covered[0])
        same = (both.values[i] - single.values[0]).abs().amax(-1) < 1e-4
        assert same.float().mean() > 0.999  # depth steps depend on the batch's range


def test_shared_edges_leave_no_gap():
    n = 30
    y, x = torch.meshgrid(torch.linspace(-3, 67, n), torch.linspace(-3, 67, n), indexing="ij")
    generator = torch.Generator().manual_seed(0)
    points = torch.stack([x, y, torch.zeros_like(x)], -1).view(-1, 3)
    points[:, :2] += 0.8 * torch.rand(n * n, 2, generator=generator)
    i = torch.arange(n * n).view(n, n)
    a, b, c, d = i[:-1, :-1], i[:-1, 1:], i[1:, 1:], i[1:, :-1]
    triangles = torch.cat([torch.stack(t, -1).reshape(-1, 3) for t in ((a, b, c), (a, c, d))])
    drawn = rasterise(points[None], triangles, points[:, :2], (64, 64))
    assert drawn.covered.all()
    y, x = torch.meshgrid(torch.arange(64) + 0.5, torch.arange(64) + 0.5, indexing="ij")
    assert (drawn.values[0] - torch.stack([x, y], -1)).abs().max() < 1e-2


def test_slivers_stay_in_the_range_of_their_corners():
    generator = torch.Generator().manual_seed(1)
    start = torch.rand(200, 2, generator=generator) * 60
    far = start + 30 * torch.randn(200, 2, generator=generator)
    near = (start + far) / 2 + 1e-4 * torch.randn(200, 2, generator=generator)
    points = torch.stack([start, far, near], 1).reshape(1, -1, 2)
    points = torch.cat([points, torch.zeros(1, 600, 1)], -1)
    drawn = rasterise(points, torch.arange(600).view(-1, 3), torch.rand(600, 2, generator=generator), (64, 64))
    assert drawn.covered.any()
    assert drawn.values.min() >= 0
    assert drawn.values.max() <= 1


def test_culling_keeps_one_side():
    points = torch.tensor([[[2.0, 2, 0], [30, 2, 0], [2, 30, 0]]])
    clockwise, other = torch.tensor([[0, 1, 2]]), torch.tensor([[0, 2, 1]])
    values = torch.ones(3, 1)
    assert rasterise(points, clockwise, values, (32, 32), cull=1).covered.any()
    assert not rasterise(points, clockwise, values, (32, 32), cull=-1).covered.any()
    assert rasterise(points, other, values, (32, 32), cull=-1).covered.any()


def test_nothing_in_view_is_empty_not_an_error():
    points = torch.tensor([[[200.0, 2, 0], [230, 2, 0], [200, 30, 0]]])
    drawn = rasterise(points, torch.tensor([[0, 1, 2]]), torch.ones(3, 1), (32, 32))
    assert not drawn.covered.any()
    assert (drawn.values == 0).all()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_equals_cpu():
    points, triangles, values = scene(5)
    cpu = rasterise(points[None], triangles, values, (48, 48))
    gpu = rasterise(points[None].cuda(), triangles.cuda(), values.cuda(), (48, 48))
    assert ((cpu.values - gpu.values.cpu()).abs().amax(-1) < 1e-3).float().mean() > 0.999
