"""Video and sound files, streamed through PyAV: nothing here holds a whole video."""
