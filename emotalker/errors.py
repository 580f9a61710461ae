"""The one kind of error that is meant for the person who uses EmoTalker."""


class UserError(ValueError):
    """What was wrong, with which input, and what to do about it, in one sentence an artist understands."""
