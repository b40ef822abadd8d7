"""The encodings of text files: Unicode by its mark or its zeros, the declaration of an XML file, and likely older encodings."""

from __future__ import annotations

import codecs
import re
from contextlib import suppress
from typing import Callable

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
MIN_SYLLABLES = 12  # Of twelve different hanzi, hardly ever all have bytes of Hangul.
BEYOND_ASCII = re.compile(r"[^\x00-\x7F]")
NOT_LATIN = re.compile(r"[^\W\d_a-zA-Z]{3}")


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
    if not name or name.startswith("utf"):  # A declaration that is readable as ASCII is wrong if it names UTF-16.
        return UTF_8
    try:
        b" ".decode(name)
    except (LookupError, UnicodeDecodeError):  # No encoding of text, such as "rot13", or none of ASCII.
        return UTF_8
    return name


def guess_encoding(data: bytes) -> str | None:
    """Return the older encoding that a text likely has, by its characters beyond ASCII; None for no such."""
    for encoding, is_likely in LIKELY.items():
        with suppress(UnicodeDecodeError):
            if is_likely(data.decode(encoding)):
                return encoding
    return None


def _is_korean(text: str) -> bool:
    """Return whether a text has only Hangul and is long; a short one is as likely to be Chinese."""
    syllables = set(_beyond_ascii(text))
    return len(syllables) >= MIN_SYLLABLES and all("가" <= character <= "힣" for character in syllables)


def _is_chinese(text: str) -> bool:
    return _are_usual(text, _is_usual_hanzi)


def _is_japanese(text: str) -> bool:
    return _are_usual(text, _is_usual_in_shift_jis)


def _is_western(text: str) -> bool:
    """Return whether a text is in Latin letters; Cyrillic, Greek and others give words without any of ASCII."""
    return _are_usual(text, _is_latin_letter) and NOT_LATIN.search(text) is None


def _are_usual(text: str, is_usual: Callable[[str], bool]) -> bool:
    others = _beyond_ascii(text)
    return sum(map(is_usual, others)) >= MIN_USUAL_SHARE * len(others)


def _beyond_ascii(text: str) -> list[str]:
    return BEYOND_ASCII.findall(text)


def _is_usual_hanzi(character: str) -> bool:
    """Return whether a character is one of the usual hanzi (level 1 of GB 2312) or full-width punctuation."""
    code = character.encode("gb2312", "ignore")
    return len(code) == 2 and (0xB0 <= code[0] <= 0xD7 or code[0] in (0xA1, 0xA3))


def _is_usual_in_shift_jis(character: str) -> bool:
    """Return whether a character is punctuation, a kana, or one of the usual kanji (level 1)."""
    code = character.encode("shift_jis", "ignore")
    return len(code) == 2 and code[0] <= 0x98


def _is_latin_letter(character: str) -> bool:
    return character.isalpha() or character in "°²³µ–—‘’“”€§"


LIKELY = {"cp949": _is_korean, "gb18030": _is_chinese, "shift_jis": _is_japanese, "cp1252": _is_western}  # In the order to try.
