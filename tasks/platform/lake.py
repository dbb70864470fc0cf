"""The lake: immutable, content-addressed files that wide tasks make.

A file is written beside its final place, synced to disk and renamed, so a reader sees all of it or
nothing, whenever the writer dies. Its name is the hash of its bytes: writing it twice is one file.
"""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import polars as pl

from tasks.platform.errors import StorageError
from tasks.platform.refs import FileRef

_CHUNK_BYTES = 1 << 20


def hash_file(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def sync_folder(path: Path) -> None:
    """Make a rename inside `path` survive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@dataclass(frozen=True)
class Lake:
    """A folder of immutable files; `root` is absolute."""

    root: Path

    def put_file(self, kind: str, suffix: str, write: Callable[[Path], int]) -> FileRef:
        """Keep what `write(path)` writes (it returns the number of rows) as `<kind>/<hash><suffix>`."""
        folder = self.root / kind
        folder.mkdir(parents=True, exist_ok=True)
        # what tempfile makes is its maker's alone, and would stay so under its final name
        draft = folder / f".tmp-{uuid4().hex}{suffix}"
        try:
            rows = write(draft)
            return self._keep(draft, kind, suffix, rows)
        finally:
            draft.unlink(missing_ok=True)

    def _keep(self, draft: Path, kind: str, suffix: str, rows: int) -> FileRef:
        with draft.open("rb") as stream:
            os.fsync(stream.fileno())
        sha256, size = hash_file(draft), draft.stat().st_size
        relative = f"{kind}/{sha256[:2]}/{sha256}{suffix}"
        final = self.root / relative
        final.parent.mkdir(parents=True, exist_ok=True)
        draft.replace(final)
        sync_folder(final.parent)
        return FileRef(path=relative, sha256=sha256, size=size, rows=rows)

    def put_bytes(self, kind: str, suffix: str, data: bytes, *, rows: int = 0) -> FileRef:
        """Keep `data` as a file."""

        def write(path: Path) -> int:
            path.write_bytes(data)
            return rows

        return self.put_file(kind, suffix, write)

    def put_frame(self, kind: str, frame: pl.DataFrame) -> FileRef:
        """Keep a frame as Parquet."""

        def write(path: Path) -> int:
            frame.write_parquet(path, compression="zstd", statistics=True)
            return frame.height

        return self.put_file(kind, ".parquet", write)

    def is_intact(self, ref: FileRef) -> bool:
        """True when the file is there with its full size (its bytes are hashed when it is read)."""
        path = self.root / ref.path
        return path.is_file() and path.stat().st_size == ref.size

    def locate(self, ref: FileRef) -> Path:
        """The file's path, after checking its bytes.

        Raises StorageError when it is missing or altered; an altered file is moved aside, so that
        the next run makes it again.
        """
        path = self._find(ref)
        if path.stat().st_size != ref.size or hash_file(path) != ref.sha256:
            raise _put_aside(path, ref)
        return path

    def _find(self, ref: FileRef) -> Path:
        path = self.root / ref.path
        if not path.is_file():
            raise StorageError(f"{path} is missing from the lake; run again to make it anew")
        return path

    def read_frame(self, ref: FileRef) -> pl.DataFrame:
        """Read a Parquet file of the lake."""
        return pl.read_parquet(self.locate(ref))

    def read_bytes(self, ref: FileRef) -> bytes:
        """Read a file of the lake whole; raises StorageError as `locate` does."""
        path = self._find(ref)
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() != ref.sha256:
            raise _put_aside(path, ref)
        return data


def _put_aside(path: Path, ref: FileRef) -> StorageError:
    """Move an altered file out of the way; what to tell of it."""
    path.replace(path.with_suffix(path.suffix + ".damaged"))
    return StorageError(
        f"{path} does not hold the bytes that were written (SHA-256 {ref.sha256}); "
        "it was moved aside as .damaged, run again to make it anew"
    )
