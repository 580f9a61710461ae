"""Converts published networks to the weights that we ship."""
