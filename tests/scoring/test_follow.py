"""One face is followed, found again after a cut, and chosen among several."""

import pytest
import torch

from emotalker.picture import load_image
from emotalker.scoring.follow import FaceFollower, regroup
from emotalker.scoring.score import score_stream


def test_chunks_are_cut_anew_and_no_frame_is_lost():
    frames = torch.arange(21)[:, None, None, None].expand(21, 2, 2, 3)
    chunks = list(regroup(frames.split(5), 8))
    assert [len(chunk) for chunk in chunks] == [8, 8, 5]
    assert torch.equal(torch.cat(chunks), frames)


def test_a_face_that_jumps_is_found_again(finder, close_up, pytestconfig):
    face = close_up(load_image(pytestconfig.rootpath / "samples" / "emotalker_portrait.png"), 128)
    height, width = face.shape[:2]
    frames = torch.full((12, height, 3 * width, 3), 0.5)
    frames[:5, :, :width] = face
    frames[5:9, :, 2 * width :] = face
    follower = FaceFollower(finder)
    landmarks, found = (torch.cat(part) for part in zip(*(follower.follow(part) for part in frames.split(8)), strict=True))
    assert found.tolist() == [True] * 9 + [False] * 3
    moved = landmarks[5:9, :, 0] - landmarks[:1, :, 0]
    assert moved.mean() == pytest.approx(2 * width, abs=1)
    assert (landmarks[9:] == 0).all()


def test_of_two_faces_the_portrait_s_is_followed(shared, finder):
    """The larger face, at the left, is another person's."""
    picture = load_image(shared / "portraits" / "10_two_faces.png")[::2, ::2]
    person = load_image(shared / "portraits" / "01_smile_teeth_photo.png")
    frames = picture.expand(3, -1, -1, -1)
    assert score_stream([frames], 25, portrait=person).identity > 0.6
    larger = FaceFollower(finder).follow(frames)[0]
    assert larger[0, :, 0].max() < picture.shape[1] / 2
