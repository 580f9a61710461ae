"""Files that appear whole or not at all: whatever the pack writes is a draft first, and gets its name when it is done."""

import contextlib
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from .errors import UserError, short

MARK, ENDING = ".emotalker-", ".draft"
"""How the folder of a draft is named, beside what it will become."""
LOCK = "lock"
FRESH = 10.0
"""Seconds during which a draft without a lock still counts as being begun."""


class TakenError(UserError):
    """The name is in use: the target is there already, or another run is writing it."""


@contextlib.contextmanager
def draft(target: str | Path, replace: bool = True) -> Iterator[Path]:
    """A path to write to, which becomes `target` when the block ends well and vanishes when it does not.

    The name is claimed at once, for all processes that write through here: a folder of the target's own holds the draft and
    whatever else its writer needs beside it. Drafts that a killed process has left in the target's folder are cleared.

    Args:
        target: file, or folder, to be made.
        replace: whether a target that is there already may be replaced.

    Raises:
        TakenError: the target is there and must not be replaced, or another run is writing it.
        UserError: the target cannot be written; the message says why.
    """
    target = Path(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        clear_drafts(target.parent)
        folder = target.parent / f"{MARK}{hashlib.sha256(os.fsencode(target.name)).hexdigest()[:16]}{ENDING}"
        try:
            folder.mkdir()
        except FileExistsError:
            raise TakenError(f"{target.name} is being written by another run: wait for it, or choose another name.") from None
    except (OSError, ValueError) as error:
        if isinstance(error, UserError):
            raise
        raise _unwritable(target, error) from error
    lock = None
    try:
        lock = _locked(folder / LOCK)
        if not replace and os.path.lexists(target):
            raise TakenError(f"{target.name} is there already: choose another name.")
        place = folder / f"draft{target.suffix}"
        yield place
        if place.is_dir() and target.is_dir():
            target.rmdir()  # an empty folder gives way
        os.replace(place, target)
    except OSError as error:
        raise _unwritable(target, error) from error
    finally:
        if lock is not None:
            os.close(lock)
        shutil.rmtree(folder, ignore_errors=True)


def check_target(target: str | Path, folder: bool = False, inputs: Iterable[str | Path | None] = ()) -> None:
    """Refuse a target that could not be written, or whose writing would destroy an input, before any work is done.

    Args:
        target: file, or folder, to be made.
        folder: whether it will be a folder, which must not be there unless it is empty.
        inputs: files that are read.

    Raises:
        UserError: it cannot be used; the message says why.
    """
    target = Path(target)
    try:
        there = os.path.lexists(target)
        for path in inputs:
            if there and path is not None and os.path.exists(path) and os.path.samefile(path, target):
                raise UserError(f"{target} is also an input and would be replaced: choose another name for what is made.")
        if folder and there and (not target.is_dir() or any(target.iterdir())):
            raise UserError(f"{target} is there already: name a folder that does not exist yet.")
        if not folder and target.is_dir():
            raise UserError(f"{target} is a folder: name a file in it.")
        missing = [place for place in target.parents if not place.exists()]
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):
                os.lstat(target)  # raises what the file system says against the name
            with tempfile.TemporaryFile(dir=target.parent):
                pass
        finally:
            for place in missing:  # nothing has been made yet, so no folder is left for it
                with contextlib.suppress(OSError):
                    place.rmdir()
    except (OSError, ValueError) as error:
        if isinstance(error, UserError):
            raise
        raise _unwritable(target, error) from error


def clear_drafts(folder: Path) -> None:
    """Remove the drafts in a folder whose writers are gone."""
    with contextlib.suppress(OSError):
        for place in folder.glob(f"{MARK}*{ENDING}"):
            _clear_abandoned(place)


def _unwritable(target: Path, error: Exception) -> UserError:
    reason = getattr(error, "strerror", None) or str(error)
    name = short(target.name).replace("\x00", "?")
    return UserError(f"{name} cannot be written ({reason}): choose another name or place, or free some space.")


def _locked(path: Path) -> int:
    """Makes a file and holds a lock on it until it is closed, or the process ends; its descriptor."""
    handle = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    with contextlib.suppress(OSError):  # some network folders know no locks: a draft there is never cleared while it is fresh
        _lock(handle)
    return handle


def _lock(handle: int) -> None:
    """Locks a file; OSError if another process holds it."""
    if os.name == "nt":
        import msvcrt

        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _clear_abandoned(place: Path) -> None:
    """Removes a draft that is not quite new and whose lock nobody holds."""
    try:
        if time.time() - place.stat().st_mtime < FRESH:
            return
        handle = os.open(place / LOCK, os.O_RDWR)
    except FileNotFoundError:
        shutil.rmtree(place, ignore_errors=True)
        return
    except OSError:
        return
    try:
        _lock(handle)
        # Another run may have cleared it while this one came to the lock, and have begun a draft of the same name.
        if os.path.samestat(os.fstat(handle), os.stat(place / LOCK)):
            if os.name == "nt":  # there an open file cannot be removed
                os.close(handle)
                handle = None
            shutil.rmtree(place, ignore_errors=True)
    except OSError:
        return
    finally:
        if handle is not None:
            os.close(handle)
