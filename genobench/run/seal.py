"""Marks what this user wrote on this machine, so that it is told from what came with a folder."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets

KEY_BYTES = 32


def seal(text: str) -> str:
    """Mark of ``text`` (hex); empty where the cache folder cannot keep a key."""
    try:
        return hmac.new(_key(), text.encode(), hashlib.sha256).hexdigest()
    except OSError:
        return ""


def is_ours(text: str, mark: str) -> bool:
    """Whether ``mark`` was made of ``text`` here."""
    own = seal(text)
    return bool(own) and hmac.compare_digest(own.encode(), str(mark).encode())


def _key() -> bytes:
    """Random, made once, readable by its owner alone."""
    from genobench.data import cache

    path = cache.folder() / "seal.key"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
        part.replace(path)
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise OSError(f"{path}: not a key; delete it")
    return key
