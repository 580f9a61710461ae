"""Builds the rig from MakeHuman's assets."""
