"""Fingerprints of delivered files: what changes when a drop is corrected, and only then."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from tasks.ingest.files import check_source, open_source

_BLOCK_BYTES = 1 << 20


def fingerprint_files(files: Sequence[Path | str]) -> str:
    """SHA-256 (hex) over names and contents; the order of `files` does not matter.

    A name is the last part of a path: moving a folder of drops changes nothing. Contents are
    streamed. Raises InputError for a file that is missing, a folder or unreadable.
    """
    parts = sorted(f"{Path(str(file)).name}\x1f{_hash_content(file)}" for file in files)
    return hashlib.sha256("\x1e".join(parts).encode("utf-8", "surrogateescape")).hexdigest()


def _hash_content(file: Path | str) -> str:
    digest = hashlib.sha256()
    with open_source(check_source(file, is_data=False)) as handle:
        while block := handle.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()
