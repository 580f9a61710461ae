"""A portrait made ready to move: picture, face, fitted rig and the person's outline."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import UserError
from .expression import ExpressionRecogniser
from .finder import Face, FaceFinder
from .fitting import FittedRig, fit_rig
from .matte import person_matte
from .rig import Rig

# Below this many pixels between the irises there is nothing left to animate.
_SMALLEST_FACE = 12.0


@dataclass(frozen=True)
class Portrait:
    """A picture with one chosen face.

    Attributes:
        image: [H,W,3] float32 0..1, sRGB, on the CPU; never changed.
        faces: all faces found, largest first.
        face: the chosen one.
        rig: the head model.
        fitted: the rig fitted to the face, in picture pixels.
        matte: [H,W] 0..1, the person.
        neutralise: the source's own expression is taken away before motion is added.
    """

    image: Tensor
    faces: tuple[Face, ...]
    face: Face
    rig: Rig
    fitted: FittedRig
    matte: Tensor
    neutralise: bool = True

    @classmethod
    def from_image(
        cls,
        image: Tensor,
        face_index: int = 0,
        neutralise: bool = True,
        finder: FaceFinder | None = None,
        device: str | torch.device = "cpu",
    ) -> "Portrait":
        """Find the face and fit the rig.

        Args:
            image: [H,W,C] float 0..1, C = 1, 3 or 4 (alpha is laid over white).
            face_index: which face, 0 the largest.
            neutralise: take the source's own expression away before motion is added.
            finder: a loaded face finder, to be used again; a fresh one by default.
            device: where the networks run.

        Raises:
            UserError: not a picture, no face, too few faces, face too small.
        """
        image = as_rgb(image)
        finder = finder or FaceFinder.load(device)
        faces = finder.find(image)
        if not faces:
            raise UserError(
                "No face was found in the portrait: use a picture in which one face is seen from the front or slightly turned, "
                "upright or tilted by less than 45 degrees, with eyes and mouth in view."
            )
        if not 0 <= face_index < len(faces):
            found, use = "one face was", "0"
            if len(faces) > 1:
                found, use = f"{len(faces)} faces were", f"a number from 0 to {len(faces) - 1} (0 is the largest face)"
            raise UserError(
                f"face_index {face_index} asks for a face that is not there: {found} found in the portrait, so use {use}."
            )
        face = faces[face_index]
        irises = float((face.landmarks[468, :2] - face.landmarks[473, :2]).norm())
        if irises < _SMALLEST_FACE:
            raise UserError(
                f"The face in the portrait is too small ({irises:.0f} pixels between the eyes, at least "
                f"{_SMALLEST_FACE:.0f} are needed): use a larger picture or crop it around the face and upscale it."
            )
        rig = Rig.load()
        shown = ExpressionRecogniser.load(device).read(image[None], face.landmarks[None]).units[0]
        fitted = fit_rig(rig, face.landmarks, (image.shape[0], image.shape[1]), shown)
        matte = person_matte(image, face, device).cpu()
        return cls(image, tuple(faces), face, rig, fitted, matte, neutralise)


def as_rgb(image: Tensor) -> Tensor:
    """A picture [H,W,C], C = 1, 3 or 4, as [H,W,3] float32 0..1 on the CPU; alpha is laid over white.

    Raises:
        UserError: not a picture.
    """
    if image.dim() != 3 or image.shape[-1] not in (1, 3, 4) or min(image.shape[:2]) < 1:
        raise UserError(
            f"The portrait has the shape {tuple(image.shape)}, which is no single picture: give one image of [height, width, "
            "1, 3 or 4 channels]."
        )
    image = image.detach().float().cpu()
    if not bool(torch.isfinite(image).all()):
        raise UserError("The portrait holds values that are no numbers (NaN or infinity): check the node that made it.")
    image = image.clamp(0, 1)
    if image.shape[-1] == 4:
        image = image[..., :3] * image[..., 3:] + (1 - image[..., 3:])
    elif image.shape[-1] == 1:
        image = image.expand(-1, -1, 3)
    return image.contiguous()
