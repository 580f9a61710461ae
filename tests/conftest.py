"""What all tests share: where the development data lies."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """The data kit (portraits, speech, priors): $EMOTALKER_SHARED, else the folder `shared` beside the checkout."""
    folder = Path(os.environ.get("EMOTALKER_SHARED", ROOT.parent / "shared"))
    if not (folder / "portraits").is_dir():
        pytest.skip(f"needs the data kit, which is not at {folder}: set EMOTALKER_SHARED to its folder")
    return folder
