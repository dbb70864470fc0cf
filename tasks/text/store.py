"""Each distinct text is embedded once, ever: vectors in immutable Parquet files.

`<root>/<model revision>/<sha256 of the file>.parquet` with columns `text_sha256` (string) and
`vector` (list of `dim` float32). Files are written whole (temporary name, fsync, rename) and never
changed, so readers need no lock; who has something to embed holds a file lock (flock, local disks)
from look-up to rename, so that no two of them embed the same text.
"""

import fcntl
import hashlib
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.platform.errors import StorageError
from tasks.text.encoder import Encoder, Progress

_FILE_TEXTS: Final = 16_384
"""Texts per file: what is lost at most when the process is killed while it embeds."""
_READ_ATTEMPTS: Final = 5


@dataclass(frozen=True)
class Embedded:
    """Vectors of n texts and where they came from.

    `vectors` has shape (n, dim), float32. Of `n_distinct` distinct texts `n_new` were embedded now
    (`n_cut` of these lost their end to `max_tokens`; they had `n_tokens` tokens) and `n_hit` were
    known. `files` hold all the vectors, relative to the root. `n_corrupt` files were damaged and
    moved to `<revision>/corrupt/`.
    """

    vectors: npt.NDArray[np.float32]
    n_distinct: int
    n_new: int
    n_hit: int
    n_cut: int
    n_tokens: int
    n_corrupt: int
    files: tuple[str, ...]


class EmbeddingStore:
    """Vectors of texts by one encoder; shared by any number of threads and processes."""

    def __init__(self, root: Path, encoder: Encoder, *, file_texts: int = _FILE_TEXTS) -> None:
        self.root = root
        self._encoder = encoder
        self._file_texts = file_texts
        self._indexed: dict[str, int] = {}
        self._places: dict[bytes, tuple[str, int]] = {}
        self._n_corrupt = 0
        self._guard = threading.RLock()

    @property
    def folder(self) -> Path:
        """Where this encoder's files lie."""
        return self.root / self._encoder.revision

    def missing(self, hashes: Iterable[str]) -> list[str]:
        """Those of `hashes` (sha256 hex of texts) that are not stored yet, distinct, in order."""
        with self._guard:
            self._refresh_index()
            return [h for h in dict.fromkeys(hashes) if bytes.fromhex(h) not in self._places]

    def embed(self, texts: Sequence[str], *, progress: Progress | None = None) -> Embedded:
        """Vectors of `texts` in their order; what is not stored is embedded and stored.

        Deleted and damaged files count as never written. Raises StorageError when the folder
        cannot be written, and what the encoder raises.
        """
        with self._guard:
            hashes = [hash_text(text) for text in texts]
            distinct = dict(zip(hashes, texts, strict=True))
            n_new = n_cut = n_tokens = 0
            self._n_corrupt = 0
            found = None
            for _ in range(_READ_ATTEMPTS):
                if self.missing(distinct):
                    new, cut, read = self._embed_missing(distinct, progress)
                    n_new, n_cut, n_tokens = n_new + new, n_cut + cut, n_tokens + read
                    self._refresh_index()
                found = self._read_vectors(list(distinct))
                if found is not None:
                    break
            if found is None:
                raise StorageError(
                    f"files in {self.folder} were damaged or deleted {_READ_ATTEMPTS} times while "
                    "they were read; find out what else writes there"
                )
            vectors, files = found
            rows = {text_hash: row for row, text_hash in enumerate(distinct)}
            return Embedded(
                vectors=vectors[[rows[text_hash] for text_hash in hashes]],
                n_distinct=len(distinct),
                n_new=min(n_new, len(distinct)),
                n_hit=max(len(distinct) - n_new, 0),
                n_cut=n_cut,
                n_tokens=n_tokens,
                n_corrupt=self._n_corrupt,
                files=files,
            )

    def _embed_missing(
        self, distinct: dict[str, str], progress: Progress | None
    ) -> tuple[int, int, int]:
        """Embed and store what is missing; returns how many texts, how many cut, how many tokens."""
        n_cut = n_tokens = n_done = 0
        with self._lock():
            # By hash, so that the same texts make the same files.
            wanted = sorted(self.missing(distinct))
            for start in range(0, len(wanted), self._file_texts):
                part = wanted[start : start + self._file_texts]
                encoded = self._encoder.encode_counted(
                    [distinct[text_hash] for text_hash in part],
                    progress=_shift_progress(progress, n_done, len(wanted)),
                )
                self._write_file(part, encoded.vectors)
                n_cut, n_tokens = n_cut + encoded.n_cut, n_tokens + encoded.n_tokens
                n_done += len(part)
        return len(wanted), n_cut, n_tokens

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """Hold the folder's lock; the system frees it when the process dies."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise StorageError(f"cannot write {self.folder}: {error.strerror}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _refresh_index(self) -> None:
        """Take in files that others wrote and forget those that are gone."""
        present = _list_sizes(self.folder)
        if any(present.get(name) != size for name, size in self._indexed.items()):
            self._forget()
        for name in sorted(present.keys() - self._indexed.keys()):
            self._index_file(name, present[name])

    def _index_file(self, name: str, size: int) -> None:
        path = self.folder / name
        try:
            column = pq.read_table(path, columns=["text_sha256"]).column(0).to_pylist()
            keys = [bytes.fromhex(text_hash) for text_hash in column]
        except FileNotFoundError:
            return
        except (OSError, pa.ArrowException, ValueError, TypeError, KeyError, IndexError):
            self._move_aside(name)
            return
        self._indexed[name] = size
        for row, key in enumerate(keys):
            self._places.setdefault(key, (name, row))

    def _forget(self) -> None:
        """Drop the index: a text of a lost file may lie in another one as well."""
        self._indexed.clear()
        self._places.clear()

    def _move_aside(self, name: str) -> None:
        """Put a damaged file where it is not read again."""
        aside = self.folder / "corrupt"
        aside.mkdir(exist_ok=True)
        try:
            (self.folder / name).rename(aside / name)
        except FileNotFoundError:
            return
        self._n_corrupt += 1

    def _read_vectors(
        self, hashes: Sequence[str]
    ) -> tuple[npt.NDArray[np.float32], tuple[str, ...]] | None:
        """Vectors of `hashes`, shape (n, dim), and their files; None when a file turned out bad."""
        places = [self._places.get(bytes.fromhex(text_hash)) for text_hash in hashes]
        if None in places:
            return None
        vectors = np.zeros((len(hashes), self._encoder.dim), dtype=np.float32)
        wanted: dict[str, tuple[list[int], list[int]]] = {}
        for row, (name, position) in enumerate(place for place in places if place is not None):
            rows, positions = wanted.setdefault(name, ([], []))
            rows.append(row)
            positions.append(position)
        is_whole = True
        for name, (rows, positions) in wanted.items():
            stored = self._read_file(name)
            if stored is None:
                is_whole = False
            else:
                vectors[rows] = stored[positions]
        if not is_whole:
            return None
        revision = self._encoder.revision
        return vectors, tuple(sorted(f"{revision}/{name}" for name in wanted))

    def _read_file(self, name: str) -> npt.NDArray[np.float32] | None:
        """All vectors of a file, shape (rows, dim); None when it is gone or damaged."""
        try:
            content = (self.folder / name).read_bytes()
        except FileNotFoundError:
            self._forget()
            return None
        except OSError as error:
            raise StorageError(f"cannot read {self.folder / name}: {error.strerror}") from error
        if hashlib.sha256(content).hexdigest() != Path(name).stem:
            self._move_aside(name)
            self._forget()
            return None
        # With threads Arrow lets go of what it reads when the process may be ending already, and aborts
        # it (apache/arrow#33975); of a path it would not, but these are the bytes that were looked at.
        table = pq.read_table(BytesIO(content), columns=["vector"], use_threads=False)
        column = table.column(0).combine_chunks()
        flat = column.flatten().to_numpy(zero_copy_only=False)
        return np.asarray(flat, dtype=np.float32).reshape(len(column), self._encoder.dim)

    def _write_file(self, hashes: Sequence[str], vectors: npt.NDArray[np.float32]) -> None:
        """Store vectors of shape (n, dim) under a name made of the file's content."""
        content = _to_parquet(hashes, vectors)
        name = f"{hashlib.sha256(content).hexdigest()}.parquet"
        temporary = self.folder / f".{name}.{os.getpid()}.{threading.get_ident()}.tmp"
        try:
            with temporary.open("wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.rename(self.folder / name)
            _sync_folder(self.folder)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise StorageError(f"cannot write {self.folder / name}: {error.strerror}") from error


def hash_text(text: str) -> str:
    """sha256 hex of a text's UTF-8 bytes; lone surrogates, which have none, are kept apart."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _to_parquet(hashes: Sequence[str], vectors: npt.NDArray[np.float32]) -> bytes:
    table = pa.table(
        {
            "text_sha256": pa.array(hashes, type=pa.string()),
            "vector": pa.FixedSizeListArray.from_arrays(
                pa.array(vectors.reshape(-1), type=pa.float32()), vectors.shape[1]
            ),
        }
    )
    sink = BytesIO()
    # Vectors and hashes are as good as random: nothing would be saved by packing them.
    pq.write_table(table, sink, compression="none", use_dictionary=False, write_statistics=False)
    return sink.getvalue()


def _list_sizes(folder: Path) -> dict[str, int]:
    """Name and size of each stored file; empty when there is no folder yet."""
    try:
        with os.scandir(folder) as entries:
            return {
                entry.name: entry.stat().st_size
                for entry in entries
                if entry.name.endswith(".parquet")
            }
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise StorageError(f"cannot read {folder}: {error.strerror}") from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _shift_progress(progress: Progress | None, n_before: int, n_all: int) -> Progress | None:
    if progress is None:
        return None
    return lambda done, _: progress(n_before + done, n_all)
