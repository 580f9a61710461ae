"""The commit that a weight file's card names."""

import subprocess

from ..weights import FOLDER


def commit_name() -> str:
    """Short hash of the checkout's commit, or "unknown" where there is no git."""
    result = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False, cwd=FOLDER)
    return result.stdout.strip() or "unknown"
