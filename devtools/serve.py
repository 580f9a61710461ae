"""dev.py serve: a ComfyUI with this pack for your browser, until Ctrl-C. Videos go to out/, all else to the cache folder."""

import contextlib
import os
import sys
from pathlib import Path

from .server import ROOT, ComfyServer, ServerError


def main() -> int:
    """Runs the server; further arguments go to ComfyUI."""
    try:
        arguments = ["--output-directory", str(ROOT / "out"), *sys.argv[1:]]
        folder = Path(os.environ["EMOTALKER_CACHE"]) / "serve"
        with ComfyServer(arguments, folder, quiet=False) as server:
            print(
                f"\nOpen {server.url} in a browser; the example is under Workflow > Browse Templates. Ctrl-C ends.\n",
                flush=True,
            )
            with contextlib.suppress(KeyboardInterrupt):
                return server.process.wait()
    except ServerError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
