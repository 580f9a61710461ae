"""The one kind of error that is meant for the person who uses EmoTalker."""


class UserError(ValueError):
    """What was wrong, with which input, and what to do about it, in one sentence an artist understands."""


QUOTED = 80
"""Characters of somebody's input that a message repeats at most."""


def short(value: object) -> str:
    """Input as a message repeats it: on one line, QUOTED characters at most."""
    if isinstance(value, int) and abs(value) >= 10**QUOTED:
        return f"a number of more than {QUOTED} digits"  # which Python refuses to write out from 4300 on
    words = " ".join(str(value).split())
    return words if len(words) <= QUOTED else f"{words[: QUOTED - 3]}..."


def quoted(text: object) -> str:
    """The same in quotation marks."""
    return f'"{short(text)}"'
