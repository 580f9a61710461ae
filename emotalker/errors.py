"""The one kind of error that is meant for the person who uses EmoTalker."""


class UserError(ValueError):
    """What was wrong, with which input, and what to do about it, in one sentence an artist understands."""


QUOTED = 80
"""Characters of somebody's input that a message repeats at most."""


def quoted(text: object) -> str:
    """Input as a message repeats it: in quotation marks, on one line, QUOTED characters at most."""
    words = " ".join(str(text).split())
    return f'"{words}"' if len(words) <= QUOTED else f'"{words[: QUOTED - 3]}..."'
