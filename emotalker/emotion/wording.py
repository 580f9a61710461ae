"""What people type beside words: emoji, emoticons, drawn-out letters, control characters; all made into plain words."""

import re
import unicodedata

EMOJI_WORDS = {
    "😡": "furious face", "😤": "fuming face", "🤬": "swearing furious face", "🙂": "slightly smiling face",
    "🙃": "sarcastic smile", "😅": "nervous smile", "😬": "nervous grimace", "🤮": "vomiting in disgust",
    "🤢": "disgusted face", "🥺": "sad pleading face", "😏": "smug smirking face", "🙄": "contemptuous eye roll",
    "😒": "annoyed unamused face",
    "😳": "embarrassed shocked face", "💀": "laughing to death", "🔥": "", "✨": "",
}  # fmt: skip
"""Emoji whose Unicode name misses what people mean by them; every other emoji is read by its name."""

EMOTICONS = (
    (r"[:=;]['’]-?\(", "crying"),
    (r"[:=]-?\(+|\):", "sad face"),
    (r"[:=]-?\)+|\^_?\^|<3", "smiling face"),
    (r"[:=xX]-?D+\b", "laughing face"),
    (r";-?\)", "winking smile"),
    (r"[:=]-?[oO]\b", "surprised face"),
    (r">:-?\(", "angry face"),
    (r"[:=]-?\|", "neutral face"),
)
_EMOTICONS = tuple((re.compile(rf"(?<![\w]){pattern}"), f" {words} ") for pattern, words in reversed(EMOTICONS))
_DRAWN_OUT = re.compile(r"([^\W\d_])\1{2,}")
_PICTURES = {"So", "Sk"}
_DROPPED = {"Cc", "Cf", "Cs", "Co", "Cn", "Mn", "Me"}


def plain_words(text: str) -> str:
    """The text as the language model reads it.

    Emoji become their names ("😱" is "face screaming in fear"), emoticons become words, letters drawn out ("sooo") single
    ones; accents, control and direction marks are dropped.

    Args:
        text: any text.

    Returns:
        one line, spaces single, case kept; "" if nothing readable is in it.
    """
    for pattern, words in _EMOTICONS:
        text = pattern.sub(words, text)
    pieces = []
    for character in unicodedata.normalize("NFKD", text):
        kind = unicodedata.category(character)
        if character.isspace():
            pieces.append(" ")
        elif character in EMOJI_WORDS:
            pieces.append(f" {EMOJI_WORDS[character]} ")
        elif kind in _PICTURES:
            name = unicodedata.name(character, "").lower()
            pieces.append(" " if not name or "modifier" in name else f" {name} ")
        elif kind not in _DROPPED:
            pieces.append(character)
    return " ".join(_DRAWN_OUT.sub(r"\1", "".join(pieces)).split())
