"""The sample portrait and voice that the example workflows name."""

import contextlib
import logging
import os
import shutil
from pathlib import Path

import folder_paths

SAMPLES = Path(__file__).resolve().parent.parent / "samples"


def place_samples() -> None:
    """Copies the samples into ComfyUI's input folder unless they are there: an example workflow runs as it is opened."""
    target = Path(folder_paths.get_input_directory())
    for source in sorted(SAMPLES.glob("emotalker_*")):
        if (target / source.name).exists():
            continue
        draft = target / f".{source.name}.{os.getpid()}"
        try:
            shutil.copyfile(source, draft)
            os.replace(draft, target / source.name)
        except OSError as error:
            with contextlib.suppress(OSError):
                draft.unlink(missing_ok=True)
            logging.warning("EmoTalker: the sample %s could not be put into the input folder: %s", source.name, error)
            return
