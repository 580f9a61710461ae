"""Options that every training command has."""

import argparse

import torch


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Adds --seed, --threads and --device."""
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1, help="processor threads")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
