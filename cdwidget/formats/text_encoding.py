"""The encodings of text files: Unicode by its mark or its zeros, the one that an XML file declares, and likely older ones."""

from __future__ import annotations

import codecs
import re

MARKS = (  # The mark of UTF-32 starts with that of UTF-16.
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
UNMARKED = ((re.compile(rb"[^\0]\0[^\0]\0"), "utf-16-le"), (re.compile(rb"\0[^\0]\0[^\0]"), "utf-16-be"))  # ASCII text in UTF-16.
UTF_8 = "utf-8-sig"
DECLARED = re.compile(rb"""^(?:\xef\xbb\xbf)?\s*<\?xml[^>]*\sencoding=["']([\w.-]+)["']""")
MIN_USUAL_SHARE = 0.8  # Of the characters beyond ASCII; other encodings give rare ones.


def encoding_of(data: bytes) -> str:
    """Return the encoding that a text file says it has, UTF-8 by default."""
    for mark, encoding in MARKS:
        if data.startswith(mark):
            return encoding
    for zeros, encoding in UNMARKED:
        if zeros.match(data):
            return encoding
    declared = DECLARED.match(data)
    name = "" if declared is None else declared[1].decode().lower()
    if not name or name.startswith("utf"):  # The declaration was read as ASCII, so it is not UTF-16, whatever it says.
        return UTF_8
    try:
        b" ".decode(name)
    except (LookupError, UnicodeDecodeError):  # No encoding of text, such as "rot13", or none of ASCII.
        return UTF_8
    return name


def guess_encoding(data: bytes) -> str | None:
    """Return the older encoding that a text likely has: one in which most characters beyond ASCII are usual ones; None for no such."""
    for encoding, is_usual in USUAL.items():
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        others = [character for character in text if not character.isascii()]
        if sum(map(is_usual, others)) >= MIN_USUAL_SHARE * len(others):
            return encoding
    return None


def _is_usual_in_gb(character: str) -> bool:
    """Return whether a character is in GB 2312, the usual part of GBK and GB 18030."""
    return len(character.encode("gb2312", "ignore")) == 2


def _is_usual_in_shift_jis(character: str) -> bool:
    """Return whether a character is punctuation, a kana, or one of the usual kanji (level 1)."""
    code = character.encode("shift_jis", "ignore")
    return len(code) == 2 and code[0] <= 0x98


def _is_latin_letter(character: str) -> bool:
    return character.isalpha() or character in "°²³µ–—‘’“”€§"


USUAL = {"gb18030": _is_usual_in_gb, "shift_jis": _is_usual_in_shift_jis, "cp1252": _is_latin_letter}  # In the order to try.
