"""Random faults in files and JSON values, the same for the same random generator."""

from __future__ import annotations

from random import Random
from typing import Any

ODD_VALUES = [
    None,
    True,
    0,
    -1,
    7,
    1.5,
    2**31,
    2**63,
    2**70,
    -(2**70),
    1e300,
    float("nan"),
    float("inf"),
    "",
    "7",
    "é\0",
    [],
    [[]],
    {},
    {"a": 1},
]
ODD_TEXTS = [
    b"",
    b"\0",
    b"-1",
    b"1e999",
    b"nan",
    b"99999999999999999999",
    b'"',
    b"<",
    b"&a;",
    b"[" * 5000,
    b"\xff\xfe",
    b"\n",
    b"../",
    b"null",
]


def damaged(data: bytes, random: Random) -> bytes:
    """Return a copy of a file with one or two random faults."""
    for _ in range(random.choice([1, 1, 2])):
        start = random.randrange(len(data) + 1)
        end = min(start + random.choice([1, 2, 8, 64]), len(data))
        kind = random.randrange(5)
        if kind == 0 and start < len(data):
            data = data[:start] + bytes([data[start] ^ 1 << random.randrange(8)]) + data[start + 1 :]
        elif kind == 1:
            data = data[:start]
        elif kind == 2:
            data = data[:start] + data[end:]
        elif kind == 3:
            data = data[:end] + data[start:end] * random.choice([1, 100]) + data[end:]
        else:
            data = data[:start] + random.choice(ODD_TEXTS) + data[end:]
    return data


def with_odd_value(content: Any, random: Random) -> Any:
    """Return a copy of a JSON value in which one value, at any depth, has another type or size, or is missing."""
    if not isinstance(content, (dict, list)) or not content or random.random() < 0.1:
        return random.choice(ODD_VALUES)
    keys = list(content) if isinstance(content, dict) else list(range(len(content)))
    key = random.choice(keys)
    copy = content.copy()
    if random.random() < 0.1:
        del copy[key]
    else:
        copy[key] = with_odd_value(content[key], random)
    return copy
