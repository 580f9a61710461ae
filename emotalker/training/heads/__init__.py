"""Synthetic heads with known landmarks, and the expression recogniser that learns from them."""
