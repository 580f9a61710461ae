"""Motion performed by rules or taken from videos, and the motion diffusion."""
