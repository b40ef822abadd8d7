"""The run lengths of Label Studio's brush: RGBA bytes in a bit stream, as thi.ng/rle-pack writes them.

The stream starts with the number of bytes (32 bits), the bits of a word less one (5 bits), and four bit counts less one (4 bits each).
Chunks follow: one bit tells whether the chunk repeats one word, two bits choose a bit count, and that many bits hold the number of words
less one. Then comes the repeated word, or every word.
"""

from __future__ import annotations

from typing import Sequence

import numpy as np

CHANNELS = 4  # Only the last one, alpha, has a meaning.
WORD_BITS = 8
COUNT_BITS = (3, 4, 8, 16)  # As Label Studio's converter writes them.
HEADER_BITS = 32 + 5 + 4 * len(COUNT_BITS)
READ_BYTES = 5  # Enough for 32 bits at any offset.


def encode(alpha: np.ndarray) -> list[int]:
    """Return opacities as brush run lengths.

    Args:
        alpha: uint8 (H, W), 255 inside the object.

    Returns:
        The bytes of the stream, as JSON holds them.

    Example:
        >>> encode(np.zeros((1, 1), np.uint8))
        [0, 0, 0, 4, 57, 27, 252, 96, 0]
    """
    flat = np.asarray(alpha, np.uint8).ravel()
    starts = np.r_[0, np.flatnonzero(flat[1:] != flat[:-1]) + 1][: flat.size]
    lengths = np.diff(starts, append=flat.size) * CHANNELS
    longest = 1 << COUNT_BITS[-1]
    pieces = -(-lengths // longest)  # A longer run takes several chunks.
    words = np.repeat(flat[starts], pieces).astype(np.int64)
    counts = np.full(words.size, longest)
    counts[np.cumsum(pieces) - 1] = lengths - (pieces - 1) * longest
    size = np.searchsorted([1 << bits for bits in COUNT_BITS], counts)
    chunks = np.stack([np.full(words.size, 4) + size, counts - 1, words], axis=1)  # The bit of a repeated word, then two of the bit count.
    widths = np.stack([np.full(words.size, 3), np.array(COUNT_BITS)[size], np.full(words.size, WORD_BITS)], axis=1)
    header = [flat.size * CHANNELS, WORD_BITS - 1, *(bits - 1 for bits in COUNT_BITS)]
    return _to_bytes(np.r_[header, chunks.ravel()], np.r_[32, 5, [4] * len(COUNT_BITS), widths.ravel()])


def decode(stream: Sequence[int], height: int, width: int) -> np.ndarray:
    """Decode brush run lengths.

    Args:
        stream: The bytes of the stream.
        height: Height of the image in pixels.
        width: Width of the image in pixels.

    Returns:
        The opacity of each pixel, uint8 (height, width).

    Raises:
        ValueError: If the stream is damaged, or holds another number of pixels.
    """
    try:
        data = bytes(stream)
    except (TypeError, ValueError) as error:
        raise ValueError(f"the brush run lengths are not a list of bytes: {error}") from error
    bits = _Bits(data)
    size = bits.read(32)
    if size != height * width * CHANNELS:
        raise ValueError(f"the brush run lengths hold {size} bytes, an image of {width}x{height} pixels needs {height * width * CHANNELS}")
    word_bits = bits.read(5) + 1
    if word_bits != WORD_BITS:
        raise ValueError(f"the brush run lengths have words of {word_bits} bits; allowed are {WORD_BITS}")
    count_bits = [bits.read(4) + 1 for _ in COUNT_BITS]
    values = np.empty(size, np.uint8)
    done = 0
    while done < size:
        repeats = bits.read(1)
        count = bits.read(count_bits[bits.read(2)]) + 1
        if done + count > size:
            raise ValueError(f"the brush run lengths hold more than the {size} bytes that they announce")
        values[done : done + count] = bits.read(WORD_BITS) if repeats else bits.read_words(count)
        done += count
    return np.ascontiguousarray(values.reshape(height, width, CHANNELS)[:, :, -1])


def _to_bytes(values: np.ndarray, widths: np.ndarray) -> list[int]:
    """Return numbers as a stream, each with its number of bits, the highest bit first."""
    field = np.repeat(np.arange(widths.size), widths)
    place = np.repeat(np.cumsum(widths), widths) - np.arange(field.size) - 1
    bits = values.astype(np.int64)[field] >> place & 1
    packed: list[int] = np.packbits(bits.astype(np.uint8)).tolist()
    return packed


class _Bits:
    """A stream of bits that is read from its start."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def read(self, width: int) -> int:
        """Return the number in the next `width` bits, at most 32."""
        first, offset = divmod(self._advance(width), 8)
        word = int.from_bytes(self._data[first : first + READ_BYTES].ljust(READ_BYTES, b"\0"), "big")
        return word >> (8 * READ_BYTES - offset - width) & ((1 << width) - 1)

    def read_words(self, count: int) -> np.ndarray:
        """Return the next bytes, uint8 (count,)."""
        first, offset = divmod(self._advance(count * WORD_BITS), 8)
        bits = np.unpackbits(np.frombuffer(self._data, np.uint8, min(count + 1, len(self._data) - first), first))
        return np.packbits(bits[offset : offset + count * WORD_BITS])

    def _advance(self, width: int) -> int:
        start = self._position
        self._position += width
        if self._position > 8 * len(self._data):
            raise ValueError("the brush run lengths end before the last pixel")
        return start
