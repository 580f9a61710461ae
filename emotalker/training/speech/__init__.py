"""Synthetic speech with phone timings, and the head of the speech encoder."""
