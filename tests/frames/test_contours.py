"""Openings between two curves cover exactly the pixels between them."""

import torch

from emotalker.frames.contours import opening


def ellipse(rx, ry, count=40, centre=(50.0, 50.0), angle=0.0):
    """Points of an ellipse [2*count,3], upper half first, and the two halves from left to right."""
    phi = torch.linspace(torch.pi, 0, count)
    upper = torch.stack([rx * phi.cos(), -ry * phi.sin()], 1)
    lower = torch.stack([rx * phi.cos(), ry * phi.sin()], 1)
    points = torch.cat([upper, lower])
    c, s = torch.cos(torch.tensor(angle)), torch.sin(torch.tensor(angle))
    points = points @ torch.stack([torch.stack([c, s]), torch.stack([-s, c])]) + torch.tensor(centre)
    points = torch.cat([points, torch.zeros(len(points), 1)], 1)
    return points, torch.arange(count), torch.arange(count, 2 * count)


def covered(points, upper, lower, size=100):
    grid = torch.arange(size) + 0.5
    o = opening(points[None], upper, lower)
    s, t = o.local(grid[None, :].expand(size, size), grid[:, None].expand(size, size))
    return o, o.coverage(s, t)[0]


def test_area_is_the_ellipse_area_at_any_angle():
    for angle in (0.0, 0.3, -0.6):
        points, upper, lower = ellipse(30, 12, angle=angle)
        _, coverage = covered(points, [upper], [lower])
        assert abs(coverage.sum().item() / (torch.pi * 30 * 12) - 1) < 0.03


def test_closed_covers_nothing():
    points, upper, lower = ellipse(30, 0)
    o, coverage = covered(points, [upper], [lower])
    assert coverage.max() == 0
    assert o.height().item() == 0


def test_crossed_edges_cover_nothing():
    points, upper, lower = ellipse(30, -5)
    assert covered(points, [upper], [lower])[1].max() == 0


def test_a_thin_slit_is_thin():
    points, upper, lower = ellipse(30, 0.1)
    _, coverage = covered(points, [upper], [lower])
    assert abs(coverage.sum().item() / (torch.pi * 30 * 0.1) - 1) < 0.05


def test_an_inner_ring_that_is_narrower_narrows_the_opening():
    outer, u0, l0 = ellipse(30, 12)
    inner, u1, l1 = ellipse(30, 6)
    points = torch.cat([outer, inner])
    _, both = covered(points, [u0, u1 + len(outer)], [l0, l1 + len(outer)])
    assert abs(both.sum().item() / (torch.pi * 30 * 6) - 1) < 0.05


def test_edges_are_soft():
    points, upper, lower = ellipse(30, 12.3)
    _, coverage = covered(points, [upper], [lower])
    partial = ((coverage > 0.02) & (coverage < 0.98)).sum()
    assert partial > 40
