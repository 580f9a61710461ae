"""Options that training commands share."""

import argparse

import torch


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Adds --seed, --threads and --device."""
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1, help="processor threads")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")


def add_freeze_option(parser: argparse.ArgumentParser) -> None:
    """Of trainings that can leave weights as they are."""
    parser.add_argument(
        "--freeze",
        action="append",
        default=[],
        metavar="PREFIX",
        help="leave weights whose names begin so as they are: a version control system then keeps only the others anew",
    )
