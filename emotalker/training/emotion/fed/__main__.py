"""`python -m emotalker.training.emotion.fed`: print FED's card, or turn its file into an editable table and back."""

import argparse
import gzip
import sys
from pathlib import Path

from ....errors import UserError
from .card import card
from .data import FED_PATH, dump_fed, load_fed


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m emotalker.training.emotion.fed", description="The FED data set: counts, editing."
    )
    parser.add_argument("--generated", type=int, default=30_000, help="generated items to count (default 30000; 0 for none)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the generator (default 0)")
    edit = parser.add_mutually_exclusive_group()
    edit.add_argument("--unpack", metavar="TSV", help="write the hand-written items to a plain table for editing")
    edit.add_argument("--pack", metavar="TSV", help="check such a table and make it the package's fed.tsv.gz")
    options = parser.parse_args(arguments)
    try:
        if options.unpack:
            Path(options.unpack).write_bytes(gzip.decompress(FED_PATH.read_bytes()))
        elif options.pack:
            pack(options.pack)
        else:
            print(card(options.generated, options.seed))
    except UserError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    return 0


def pack(table: Path | str, target: Path | str = FED_PATH) -> None:
    """Check an edited table and write it as a FED file; the target stays as it was if the table has a mistake.

    Raises:
        UserError: no such table, or a line in it that does not follow the format.
    """
    table, target = Path(table), Path(target)
    if not table.is_file():
        raise UserError(f"there is no table {table}: make one with --unpack first.")
    draft = target.with_name(target.name + ".new")
    try:
        draft.write_bytes(gzip.compress(table.read_bytes()))
        dump_fed(load_fed(path=draft), draft)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
