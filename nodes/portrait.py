"""Load Portrait and Portrait from Image."""

import os

import comfy.model_management as memory
import folder_paths
from comfy_api.latest import io

from ..emotalker.face.finder import FaceFinder
from ..emotalker.face.portrait import Portrait
from ..emotalker.face.preview import draw_preview
from ..emotalker.picture import load_image
from .checks import as_images, checked
from .support import blame, chosen_file, device, fingerprint, onto_device
from .types import PORTRAIT, schema
from .widgets import accepted


def _shared_inputs() -> list[io.Input]:
    return [
        io.Int.Input(
            "face_index",
            default=0,
            min=0,
            max=99,
            tooltip="Which face speaks when there are several: 0 is the largest. The preview shows the numbers.",
        ),
        io.Boolean.Input(
            "neutralise",
            default=True,
            tooltip="Takes the picture's own expression (a smile, raised brows) away before speech and emotion are added. "
            "Switch it off to keep that expression underneath.",
        ),
    ]


def _outputs() -> list[io.Output]:
    return [
        PORTRAIT.Output("portrait", display_name="portrait", tooltip="The portrait, with a head model fitted to its face."),
        io.Image.Output(
            "preview",
            display_name="preview",
            tooltip="The picture with the faces' numbers; landmarks and head model on the chosen one.",
        ),
    ]


def _make(cls, name: str, image, face_index: int, neutralise: bool) -> io.NodeOutput:
    node = cls.SCHEMA.display_name
    finder = FaceFinder.load("cpu")
    patcher = onto_device([*finder.detector.networks.values(), finder.network.network])
    finder.device = patcher.load_device
    with blame(node, name, "face_index"):
        portrait = Portrait.from_image(image, face_index, neutralise, finder, device())
    preview = draw_preview(portrait)[None].to(memory.intermediate_device())
    return io.NodeOutput(portrait, preview)


class LoadPortrait(io.ComfyNode):
    """A portrait from a file."""

    @classmethod
    def define_schema(cls):
        folder = folder_paths.get_input_directory()
        files = [name for name in os.listdir(folder) if os.path.isfile(os.path.join(folder, name))]
        return schema(
            node_id="EmoTalkerLoadPortrait",
            display_name="Load Portrait",
            description="Loads a picture, finds the faces in it and fits a head model to one of them, so that it can speak. "
            "Photos, paintings and renderings work; the whole picture comes back in the video, not just the face.",
            search_aliases=["emotalker", "talking head", "face", "portrait", "lip sync", "avatar", "load image"],
            inputs=[
                io.Combo.Input(
                    "image",
                    options=sorted(folder_paths.filter_files_content_types(files, ["image"])),
                    upload=io.UploadType.image,
                    image_folder=io.FolderType.input,
                    tooltip="The portrait: one face from the front or slightly turned, eyes and mouth in view.",
                ),
                *_shared_inputs(),
            ],
            outputs=_outputs(),
        )

    @classmethod
    @checked
    def execute(cls, image, face_index, neutralise) -> io.NodeOutput:
        with blame(cls.SCHEMA.display_name, "image"):
            picture = load_image(chosen_file(image))
        return _make(cls, "image", picture, face_index, neutralise)

    @classmethod
    def fingerprint_inputs(cls, image, **_):
        return fingerprint(image)

    @classmethod
    def validate_inputs(cls, image):
        return accepted(chosen_file, image)


class PortraitFromImage(io.ComfyNode):
    """A portrait from an IMAGE of any other node."""

    @classmethod
    def define_schema(cls):
        return schema(
            node_id="EmoTalkerPortraitFromImage",
            display_name="Portrait from Image",
            description="Makes a portrait that can speak out of any IMAGE, for example one that was just generated.",
            search_aliases=["emotalker", "talking head", "face", "portrait", "lip sync", "avatar"],
            inputs=[
                io.Image.Input("image", tooltip="The picture. Of a batch the first picture is used."),
                *_shared_inputs(),
            ],
            outputs=_outputs(),
        )

    @classmethod
    @checked
    def execute(cls, image, face_index, neutralise) -> io.NodeOutput:
        with blame(cls.SCHEMA.display_name, "image"):
            picture = as_images(image[:1] if image.ndim == 4 else image)[0]
        return _make(cls, "image", picture, face_index, neutralise)
