"""Emotion presets: readable JSON files in ComfyUI's user folder."""

import os
import re

import folder_paths

from ..emotalker.draft import draft
from ..emotalker.emotion.track import EmotionTrack
from ..emotalker.errors import UserError, quoted, short

ENDING = ".json"
LONGEST_NAME = 80  # characters
LARGEST_FILE = 1 << 20  # bytes; a preset of a thousand segments takes a tenth of it
# What Windows, macOS or Linux would not take in a name, what would lead to another folder, control and half characters.
FORBIDDEN = re.compile(r'[\\/:*?"<>|\x00-\x1f\x7f\ud800-\udfff]')
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # devices on Windows


def folder() -> str:
    """Where the presets lie; it may not exist yet."""
    return os.path.join(folder_paths.get_user_directory(), "default", "emotalker", "emotions")


def names() -> list[str]:
    """Names of all presets, in alphabetical order."""
    try:
        files = os.listdir(folder())
    except OSError:
        return []
    return sorted((name[: -len(ENDING)] for name in files if name.endswith(ENDING) and not name.startswith(".")), key=str.lower)


def path_of(name: str) -> str:
    """File of a preset, inside `folder()` whatever the name.

    Raises:
        UserError: the name cannot be a file's name.
    """
    name = name.strip()
    plain = 0 < len(name) <= LONGEST_NAME and "." not in (name[0], name[-1])
    if not plain or FORBIDDEN.search(name) or RESERVED.fullmatch(name):
        raise UserError(
            f"{quoted(name)} cannot be the name of a preset: use 1 to {LONGEST_NAME} letters, digits, spaces, - and _, "
            "without a folder."
        )
    return os.path.join(folder(), name + ENDING)


def load(name: str) -> EmotionTrack:
    """The timeline of a preset.

    Raises:
        UserError: there is none of that name, or its file is no timeline.
    """
    path = path_of(name)
    if not os.path.isfile(path):
        raise UserError(f"there is no preset {quoted(name)}: save one by Emotion to JSON, or choose another.")
    return EmotionTrack.from_json(_read(path))


def save(name: str, track: EmotionTrack, overwrite: bool) -> str:
    """Keeps a timeline as a preset and says, in one sentence, what happened.

    Raises:
        UserError: a bad name, or the file cannot be written.
    """
    path, text = path_of(name), track.to_json() + "\n"
    name, there = name.strip(), os.path.exists(path)
    if there and _same(path, text):
        return f"The preset '{name}' holds exactly this already."
    if there and not overwrite:
        return f"NOT SAVED: there is another preset '{name}' already. Choose another name, or switch overwrite on."
    with draft(path) as place:
        place.write_bytes(text.encode())
    return f"The preset '{name}' was {'replaced' if there else 'saved'}. Press R in the editor to see it in Emotion from JSON."


def fingerprint(name: str | None) -> str:
    """Changes when a preset's content does; "" without a preset."""
    if not isinstance(name, str):
        return ""
    try:
        return _read(path_of(name))
    except UserError:
        return ""


def _same(path: str, text: str) -> bool:
    try:
        return _read(path) == text
    except UserError:
        return False


def _read(path: str) -> str:
    name = os.path.basename(path)[: -len(ENDING)]
    try:
        if os.path.getsize(path) > LARGEST_FILE:
            raise UserError(f"the preset {quoted(name)} is too large to be an emotion timeline: choose another.")
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"the preset {quoted(name)} cannot be read ({short(error)}): save it again.") from error
