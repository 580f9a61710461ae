"""IPA, as espeak-ng writes it in any language, as the nearest ARPAbet phones: the ones whose mouth looks alike."""

_PAIRS = {
    "oʊ": "OW", "əʊ": "OW", "ʌʊ": "OW", "ou": "OW", "aɪ": "AY", "ai": "AY", "ɑɪ": "AY", "aʊ": "AW", "au": "AW", "eɪ": "EY",
    "ɛɪ": "EY", "ei": "EY", "ɔɪ": "OY", "oɪ": "OY", "oi": "OY", "tʃ": "CH", "tɕ": "CH", "dʒ": "JH", "dʑ": "JH",
}  # fmt: skip
_SINGLES = {
    "i": "IY", "ɪ": "IH", "ᵻ": "IH", "ɨ": "IH", "ɯ": "IH", "e": "EH", "ɛ": "EH", "ε": "EH", "æ": "AE", "a": "AA", "ɐ": "AH",
    "ɑ": "AA", "ɒ": "AO", "ɔ": "AO", "o": "OW", "u": "UW", "ʊ": "UH", "y": "UW", "ʉ": "UW", "ɵ": "UH", "ø": "OW", "œ": "OW",
    "ʌ": "AH", "ə": "AH", "ɜ": "ER", "ɚ": "ER", "p": "P", "b": "B", "m": "M", "f": "F", "v": "V", "ʋ": "V", "β": "V", "θ": "TH",
    "ð": "DH", "t": "T", "d": "D", "ɾ": "D", "r": "D", "s": "S", "z": "Z", "ʃ": "SH", "ʂ": "SH", "ɕ": "SH", "ʒ": "ZH",
    "ʐ": "ZH", "ʑ": "ZH", "k": "K", "c": "K", "q": "K", "ɡ": "G", "g": "G", "ɟ": "G", "ɣ": "G", "ʁ": "G", "x": "HH",
    "χ": "HH", "ç": "HH", "h": "HH", "n": "N", "ɲ": "N", "ŋ": "NG", "l": "L", "ɫ": "L", "ʎ": "L", "ɹ": "R", "w": "W", "ʍ": "W",
    "j": "Y", "ʝ": "Y",
}  # fmt: skip


def ipa_to_arpabet(ipa: str) -> list[str]:
    """ARPAbet phones of one espeak-ng phoneme event.

    Args:
        ipa: for example "tʃ", "əl" or "ɑ̃"; marks of length, palatalisation and the like are ignored.

    Returns:
        One or more phones in order; empty for a mark alone or a change of language such as "(en)".
    """
    if ipa.startswith("("):
        return []
    phones, at = [], 0
    while at < len(ipa):
        if ipa[at : at + 2] in _PAIRS:
            phones.append(_PAIRS[ipa[at : at + 2]])
            at += 2
            continue
        if ipa[at] in _SINGLES:
            phones.append(_SINGLES[ipa[at]])
        at += 1
    return phones
