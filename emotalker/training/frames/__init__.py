"""Pairs of drawn and true faces, and the frame diffusion."""
