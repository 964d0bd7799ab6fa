"""Spoilt copies of good files: what disks, transfers, editors and ill will make of them."""

from __future__ import annotations

import random
from collections.abc import Callable

Mutation = Callable[[random.Random, bytes], bytes]

FOREIGN = (
    b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\xe9", b"\xc3\x28", b"\x1b[31m", b"\x85", b"\x0b",
    b"\r", b"\r\n", b"\n\n", b"\t", b",", b" ", b'"', b"'", b"#", b"##", b"\xc2\xa0",
    "\N{RIGHT-TO-LEFT OVERRIDE}".encode(), "\N{LINE SEPARATOR}".encode(), b"\x1f\x8b",
)  # fmt: skip
WORDS = (
    b"NA", b"nan", b"-nan", b"inf", b"-inf", b"Infinity", b"NaN", b"1e308", b"-1e308", b"1e400",
    b"1e-400", b"9223372036854775807", b"9223372036854775808", b"-1", b"-9", b"0", b"0.5", b"1_0",
    b"0x10", b"9" * 400, b"1" + b"0" * 5000, b"", b".", b"true", b"null", b"None", b"[]", b"{}",
    b"[[[[", b'"', b"=1+1", b"../../x", b"\\ud800", b'"\\ud800"',
    "\N{ARABIC-INDIC DIGIT ONE}".encode(),
    "\N{SUPERSCRIPT TWO}".encode(), b"IID", b"FID", b"#IID", b"-", b"+", b"e", b"1e", b"1.5e3",
)  # fmt: skip
NESTED = 3_000  # brackets: deeper than any interpreter recurses


def mutated(rng: random.Random, content: bytes) -> bytes:
    """One to three changes of ``content``, each of any kind."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        content = rng.choice(MUTATIONS)(rng, content)
    return content


def _flip(rng: random.Random, content: bytes) -> bytes:
    """A few bits."""
    spoilt = bytearray(content)
    for _ in range(rng.randint(1, 8) if spoilt else 0):
        spoilt[rng.randrange(len(spoilt))] ^= 1 << rng.randrange(8)
    return bytes(spoilt)


def _cut(rng: random.Random, content: bytes) -> bytes:
    """The end is lost, or the beginning."""
    at = rng.randint(0, len(content))
    return content[:at] if rng.random() < 0.8 else content[at:]


def _insert(rng: random.Random, content: bytes) -> bytes:
    """Bytes that mean something elsewhere."""
    at = rng.randint(0, len(content))
    return content[:at] + rng.choice(FOREIGN) + content[at:]


def _random_bytes(rng: random.Random, content: bytes) -> bytes:
    """A stretch of noise in place of what was there."""
    at, count = rng.randint(0, len(content)), rng.randint(1, 16)
    return content[:at] + rng.randbytes(count) + content[at + count :]


def _lines(rng: random.Random, content: bytes) -> bytes:
    """A line lost, doubled, moved, or run together with the next."""
    lines = content.split(b"\n")
    at = rng.randrange(len(lines))
    kind = rng.randrange(4)
    if kind == 0:
        del lines[at]
    elif kind == 1:
        lines.insert(at, lines[at])
    elif kind == 2:
        lines.insert(rng.randrange(len(lines)), lines.pop(at))
    elif at + 1 < len(lines):
        lines[at : at + 2] = [lines[at] + lines[at + 1]]
    return b"\n".join(lines)


def _fields(rng: random.Random, content: bytes) -> bytes:
    """A field lost, doubled, or replaced by a word that is hard to read."""
    lines = content.split(b"\n")
    at = rng.randrange(len(lines))
    separator = next((s for s in (b"\t", b",", b"=", b":", b" ") if s in lines[at]), b" ")
    fields = lines[at].split(separator)
    place = rng.randrange(len(fields))
    kind = rng.randrange(4)
    if kind == 0:
        del fields[place]
    elif kind == 1:
        fields.insert(place, fields[place])
    else:
        fields[place] = rng.choice(WORDS)
    lines[at] = separator.join(fields)
    return b"\n".join(lines)


def _separators(rng: random.Random, content: bytes) -> bytes:
    """Other separators or line ends throughout."""
    old, new = rng.choice(((b"\t", b" "), (b"\t", b","), (b" ", b"\t"), (b"\n", b"\r\n"),
                           (b"\n", b"\r"), (b"\n", b" "), (b",", b"\t"), (b'"', b"")))  # fmt: skip
    return content.replace(old, new)


def _encoding(rng: random.Random, content: bytes) -> bytes:
    """Another encoding of the same text."""
    text = content.decode("latin-1")
    return text.encode(rng.choice(("utf-16", "utf-16-le", "utf-32", "utf-8-sig", "utf-7")))


def _nested(rng: random.Random, content: bytes) -> bytes:
    """More brackets than anybody means."""
    at = rng.randint(0, len(content))
    bracket = rng.choice((b"[", b"{", b'{"a":', b"[" * 2))
    return content[:at] + bracket * NESTED + content[at:]


def _long(rng: random.Random, content: bytes) -> bytes:
    """A field of a hundred thousand bytes."""
    at = rng.randint(0, len(content))
    return content[:at] + rng.choice((b"9", b"a", b" ", b"\t", b"\n")) * 100_000 + content[at:]


# what is common stands several times; what makes large files stands once
MUTATIONS: tuple[Mutation, ...] = (
    *(4 * (_flip, _fields)),
    *(3 * (_lines, _insert, _cut)),
    *(2 * (_random_bytes, _separators)),
    _encoding,
    _nested,
    _long,
)
