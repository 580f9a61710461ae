"""Reading MakeHuman's files: a tiny mesh, a target, a proxy."""

import gzip

import numpy as np
import pytest

from emotalker.training.rig.makehuman import read_obj, read_proxy, read_target

OBJ = """v 0 0 0
v 1 0 0
v 1 1 0
v 0 1 0
vt 0 0
vt 1 0
vt 1 1
vt 0 1
g body
f 1/1 2/2 3/3 4/4
"""
PROXY = """basemesh hm08
x_scale 0 1 1.0
y_scale 0 3 1.0
z_scale 0 4 1.0
verts 0
material something.mhmat
2
0 1 3 0.5 0.25 0.25 0.1 0.2 0.3
0
1
"""


@pytest.fixture
def base() -> np.ndarray:
    return np.array([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1]])


def test_obj(tmp_path):
    path = tmp_path / "a.obj"
    path.write_text(OBJ)
    mesh = read_obj(path)
    assert mesh.vertices.shape == (4, 3)
    assert mesh.faces == [[0, 1, 2, 3]]
    assert mesh.face_uv == [[0, 1, 2, 3]]
    assert mesh.groups == ["body"]


@pytest.mark.parametrize("packed", [False, True])
def test_target(tmp_path, packed):
    text = b"# a comment\n1 .5 -1 0\n3 0 0 2\n"
    path = tmp_path / ("a.target.gz" if packed else "a.target")
    path.write_bytes(gzip.compress(text) if packed else text)
    assert read_target(path, 4).tolist() == [[0, 0, 0], [0.5, -1, 0], [0, 0, 0], [0, 0, 2]]


def test_proxy_follows_the_base(tmp_path, base):
    folder = tmp_path / "hat"
    folder.mkdir()
    (folder / "hat.obj").write_text(OBJ)
    (folder / "hat.mhclo").write_text(PROXY)
    proxy = read_proxy(folder)
    placed = proxy.place(base)
    assert placed[0].tolist() == [1, 1, 0]
    assert placed[1] == pytest.approx([0.25 + 0.1, 0.25 + 0.2, 0.3])
    # Twice the size: offsets grow with the base, unless another one says how large they are.
    assert proxy.place(2 * base)[1] == pytest.approx([0.7, 0.9, 0.6])
    assert proxy.place(2 * base, base)[1] == pytest.approx([0.6, 0.7, 0.3])
