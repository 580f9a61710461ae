"""Save Motion, Load Motion and Motion to JSON."""

import collections
import os
import time

import folder_paths
from comfy_api.latest import io, ui

from ..emotalker.draft import TakenError
from ..emotalker.motion.files import ENDINGS, load_motion, motion_json, save_motion
from .checks import checked
from .progress import say
from .support import blame, chosen_file, fingerprint, output_names
from .types import MOTION, schema
from .widgets import accepted

FORMATS = {"safetensors": ".safetensors", "csv (Live Link Face)": ".csv"}
NOTHING = "(no motion file yet)"


MOST_FOLDERS = 500
"""Of each place, that are looked into: the output folder of a busy server may hold far more, and the list is made while the
server answers nobody else. The nearest come first."""

CLOCK = 2_000_000_000
"""Nanoseconds; a folder changed twice within this may bear one time on some file systems."""
_listed: dict[str, tuple[int, list[str], list[str]]] = {}
"""Folder to (when it was changed, its motion files, its folders): what has not changed is not read again."""


def motion_files() -> list[str]:
    """Names of the motions in ComfyUI's input folder, then of those that Save Motion has put into the output folder."""
    found = []
    for folder, mark in ((folder_paths.get_input_directory(), ""), (folder_paths.get_output_directory(), " [output]")):
        names, waiting = [], collections.deque([""])
        for _ in range(MOST_FOLDERS):
            if not waiting:
                break
            inner = waiting.popleft()
            files, folders = _content(os.path.join(folder, inner))
            names += [inner + name for name in files]
            waiting += [f"{inner}{name}/" for name in folders]
        found += [name + mark for name in sorted(names, key=str.lower)]
    return found


def _content(folder: str) -> tuple[list[str], list[str]]:
    """Names of a folder's motion files and of its folders; links to folders are not followed, for they may lead in circles."""
    try:
        changed = os.stat(folder).st_mtime_ns
        if folder in _listed and _listed[folder][0] == changed:
            return _listed[folder][1:]
        with os.scandir(folder) as entries:
            shown = [entry for entry in entries if not entry.name.startswith(".")]
        files = [entry.name for entry in shown if entry.name.lower().endswith(ENDINGS) and entry.is_file()]
        folders = sorted(entry.name for entry in shown if entry.is_dir(follow_symlinks=False))
    except OSError:  # gone in the meantime, or not to be read
        return [], []
    if len(_listed) > 2 * MOST_FOLDERS:
        _listed.clear()
    if time.time_ns() - changed > CLOCK:
        _listed[folder] = (changed, files, folders)
    return files, folders


class SaveMotion(io.ComfyNode):
    """A take as a file."""

    @classmethod
    def define_schema(cls):
        return schema(
            node_id="EmoTalkerSaveMotion",
            display_name="Save Motion",
            description="Keeps a take as a file in ComfyUI's output folder: safetensors to use it again, with any portrait, "
            "or a Live Link Face table (CSV with the 52 ARKit weights) for 3D characters in other software.",
            search_aliases=["emotalker", "export motion", "keep take", "arkit", "live link", "csv", "blendshapes", "animation"],
            inputs=[
                MOTION.Input("motion", tooltip="The take, from the sampler or Load Motion."),
                io.Combo.Input(
                    "format",
                    options=list(FORMATS),
                    default="safetensors",
                    tooltip="safetensors keeps everything. The table is what Live Link Face writes; the head's shift has no "
                    "column there and is left out.",
                ),
                io.String.Input(
                    "filename_prefix",
                    default="motion/EmoTalker",
                    tooltip="Start of the file's name, in ComfyUI's output folder. May name folders, and placeholders like "
                    "%date:yyyy-MM-dd%.",
                ),
            ],
            outputs=[
                io.String.Output("path", display_name="path", tooltip="The whole path of the file."),
            ],
            hidden=[io.Hidden.prompt],
            is_output_node=True,
        )

    @classmethod
    @checked
    def execute(cls, motion, format, filename_prefix) -> io.NodeOutput:
        with blame(cls.SCHEMA.display_name, "filename_prefix"):
            names = output_names(filename_prefix, FORMATS[format], cls.hidden.prompt)
            path, file, subfolder = next(names)
            while True:
                try:
                    save_motion(motion, path, replace=False)
                    break
                except TakenError:  # another server with the same output folder has taken the name
                    path, file, subfolder = next(names)
        shown = os.path.join(subfolder, file)
        said = f"{len(motion)} frames ({motion.duration:.2f} s at {motion.fps:g} a second) were saved in output as {shown}."
        say(said)
        return io.NodeOutput(str(path), ui=ui.PreviewText(said))


class LoadMotion(io.ComfyNode):
    """A take from a file."""

    @classmethod
    def define_schema(cls):
        return schema(
            node_id="EmoTalkerLoadMotion",
            display_name="Load Motion",
            description="Loads a take that Save Motion has kept, or a performance captured by Live Link Face (CSV with the 52 "
            "ARKit weights), so that it drives a portrait.",
            search_aliases=[
                "emotalker",
                "import motion",
                "motion capture",
                "mocap",
                "arkit",
                "live link",
                "csv",
                "blendshapes",
            ],
            inputs=[
                io.Combo.Input(
                    "file",
                    options=motion_files() or [NOTHING],
                    tooltip="A .safetensors or .csv file in ComfyUI's input folder, or one that Save Motion has put into the "
                    "output folder. Press R in the editor to see new files.",
                ),
            ],
            outputs=[
                MOTION.Output("motion", display_name="motion", tooltip="The take, for the sampler's input motion."),
                io.Float.Output("seconds", display_name="seconds", tooltip="How long it lasts."),
                io.Float.Output("fps", display_name="fps", tooltip="Its own frame rate; the sampler fits it to the video's."),
            ],
        )

    @classmethod
    @checked
    def execute(cls, file) -> io.NodeOutput:
        with blame(cls.SCHEMA.display_name, "file"):
            motion = load_motion(chosen_file(file))
        return io.NodeOutput(motion, motion.duration, float(motion.fps))

    @classmethod
    def fingerprint_inputs(cls, file):
        return fingerprint(file)

    @classmethod
    def validate_inputs(cls, file):
        return accepted(chosen_file, file)


class MotionToJSON(io.ComfyNode):
    """A take as text."""

    @classmethod
    def define_schema(cls):
        return schema(
            node_id="EmoTalkerMotionToJSON",
            display_name="Motion to JSON",
            description="Writes a take as readable JSON: a line of numbers for each face unit that moves, and the head's pose.",
            search_aliases=["emotalker", "motion curves", "arkit", "blendshapes", "animation data", "export"],
            inputs=[MOTION.Input("motion", tooltip="The take, from the sampler or Load Motion.")],
            outputs=[
                io.String.Output("json", display_name="json", tooltip="fps, frames, seconds, notes, units and head as text."),
            ],
        )

    @classmethod
    @checked
    def execute(cls, motion) -> io.NodeOutput:
        return io.NodeOutput(motion_json(motion))
