"""Fingerprints of delivered files: what changes when a drop is corrected, and only then."""

import hashlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tasks.ingest.files import Source, check_source, is_url, open_source
from tasks.platform.runs import read_json, write_json

_BLOCK_BYTES = 1 << 20
_SETTLED_NS: Final = 5_000_000_000
"""A file that was touched so shortly ago may change again within one tick of its clock."""


class Contents:
    """Hashes of files whose content was read before, as long as they look as they did then.

    A night lists all drops of history; reading every one again would cost more each night. A local
    file looks the same when its place, size, inode and times of change are: the system sets the time
    of the last change of status itself at every write and rename, so an older modification time that
    a copy brings with it hides nothing. (So does git's index, with the same care for files that were
    touched a moment ago.) An object behind a URL looks the same when its size and ETag are; where a
    store gives none it is read.

    `path` is a file of JSON, which `save` replaces as a whole; None remembers nothing, and one that
    cannot be read or written costs only time. With `is_read_anew` nothing of it is believed.
    """

    def __init__(self, path: Path | None, *, is_read_anew: bool = False) -> None:
        self._path = path
        self._known = {} if is_read_anew else self._read()
        self._new: dict[str, list[str]] = {}

    def hash(self, file: Path | str) -> str:
        """SHA-256 of a file's bytes, in hex. Raises InputError for one that cannot be read."""
        source = check_source(file, is_data=False)
        stamp = None if self._path is None else _stamp(source)
        if stamp is None:
            return _hash_content(source)
        place = str(source.location)
        if (known := self._known.get(place)) and known[0] == stamp:
            return known[1]
        found = _hash_content(source)
        if _stamp(source) == stamp:
            self._new[place] = [stamp, found]
        return found

    def save(self) -> None:
        """Keep what was read since, beside what others kept meanwhile and is still there."""
        if self._path is None or not self._new:
            return
        kept = {
            place: entry
            for place, entry in self._read().items()
            if is_url(place) or Path(place).exists()
        }
        try:
            write_json(self._path, {**kept, **self._new})
        except OSError:
            return
        self._known |= self._new
        self._new = {}

    def _read(self) -> dict[str, list[str]]:
        found = (read_json(self._path) if self._path else None) or {}
        is_whole = all(isinstance(entry, list) and len(entry) == 2 for entry in found.values())
        return found if is_whole else {}


def fingerprint_files(files: Sequence[Path | str], contents: Contents | None = None) -> str:
    """SHA-256 (hex) over names and contents; the order of `files` does not matter.

    A name is the last part of a path: moving a folder of drops changes nothing. Contents are
    streamed, or taken from `contents` where those files were read before. Raises InputError for a
    file that is missing, a folder or unreadable.
    """
    known = contents or Contents(None)
    parts = sorted(f"{Path(str(file)).name}\x1f{known.hash(file)}" for file in files)
    return hashlib.sha256("\x1e".join(parts).encode("utf-8", "surrogateescape")).hexdigest()


def _hash_content(source: Source) -> str:
    digest = hashlib.sha256()
    with open_source(source) as handle:
        while block := handle.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def _stamp(source: Source) -> str | None:
    """What a file looks like without being read; None where that does not tell."""
    if isinstance(source.location, str):
        return _stamp_url(source.location)
    try:
        found = source.location.stat()
    except OSError:
        return None
    touched = max(found.st_mtime_ns, found.st_ctime_ns)
    if touched > time.time_ns() - _SETTLED_NS:
        return None
    parts = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    return "-".join(map(str, parts))


def _stamp_url(url: str) -> str | None:
    import fsspec

    try:
        filesystem, path = fsspec.core.url_to_fs(url)
        info = filesystem.info(path)
    except (OSError, ValueError, ImportError):
        return None
    tag = next((value for key, value in info.items() if key.lower() == "etag"), None)
    return f"{info.get('size')}-{tag}" if tag else None
