"""Delivered files as streams of bytes: local paths and URLs, plain or gzip, whole or damaged."""

import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Literal, cast

from tasks.platform.errors import InputError

FileFormat = Literal["json", "csv", "tsv", "parquet"]

_EXTENSIONS: Final[dict[str, FileFormat]] = {
    ".json": "json",
    ".jsonl": "json",
    ".jsonlines": "json",
    ".ndjson": "json",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".pq": "parquet",
}
ZIPPED: Final = (".gz", ".gzip")

_GZIP: Final = b"\x1f\x8b"
_PARQUET: Final = b"PAR1"
_FOREIGN: Final[dict[bytes, str]] = {
    b"PK\x03\x04": "a zip archive; unpack it",
    b"BZh": "a bzip2 file; unpack it or compress it with gzip",
    b"\xfd7zXZ": "an xz file; unpack it or compress it with gzip",
    b"\x28\xb5\x2f\xfd": "a zstandard file; unpack it or compress it with gzip",
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"%PDF": "a PDF document",
    b"\x7fELF": "a program",
    b"SQLite format 3": "an SQLite database",
    b"\xff\xfe": "UTF-16 text; convert it to UTF-8",
    b"\xfe\xff": "UTF-16 text; convert it to UTF-8",
}
BLOCK_BYTES: Final = 2 << 20
"""Decoded bytes per block. Larger ones are slower: their pages come fresh from the system each time."""
_PACKED_BYTES: Final = 1 << 18


class DamagedFileError(InputError):
    """A compressed stream ends early or fails its checksum; all readable bytes came."""


class _BrokenStreamError(Exception):
    """What is wrong with a gzip stream, before the name of its file is known."""


@dataclass(frozen=True)
class Source:
    """A readable file: `name` is its last path part, `size` its bytes on disk (0 if unknown)."""

    location: Path | str
    name: str
    size: int


def is_url(file: Path | str) -> bool:
    """True for an object-store URL (`s3://…`), which fsspec opens."""
    return isinstance(file, str) and "://" in file


def check_source(file: Path | str, *, is_data: bool = True) -> Source:
    """Describe a file that can be read; `is_data` asks for a known extension as well.

    A local path with `..` is followed where it leads; it names what the user says it names. Raises
    InputError when it is missing, a folder, not a file, or of an unknown kind.
    """
    name = str(file).rstrip("/").rsplit("/", 1)[-1] if is_url(file) else Path(file).name
    if is_data:
        find_format(name)
    if is_url(file):
        return Source(location=str(file), name=name, size=_measure_url(str(file)))
    path = Path(file)
    try:
        found = path.resolve(strict=True)
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError(f"there is no readable file at {str(path)!r}; check the path") from error
    if found.is_dir():
        raise InputError(f"{str(path)!r} is a folder; name the file in it that is to be read")
    if not found.is_file():
        raise InputError(f"{str(path)!r} is not a regular file; give a file")
    return Source(location=found, name=name, size=found.stat().st_size)


def find_format(name: str) -> FileFormat:
    """Format by extension, `.gz` aside. Raises InputError for an unknown one."""
    bare = name.lower()
    for ending in ZIPPED:
        bare = bare.removesuffix(ending)
    extension = f".{bare.rsplit('.', 1)[-1]}" if "." in bare else ""
    if extension not in _EXTENSIONS:
        allowed = ", ".join(_EXTENSIONS)
        raise InputError(
            f"the file {name!r} has an unknown extension; allowed are {allowed} "
            "(text may be gzipped: .gz); rename or convert it"
        )
    return _EXTENSIONS[extension]


def _measure_url(url: str) -> int:
    import fsspec

    try:
        filesystem, path = fsspec.core.url_to_fs(url)
        info = filesystem.info(path)
    except (OSError, ValueError, ImportError) as error:
        raise InputError(f"cannot reach {url!r}: {error}; check the URL and its access") from error
    if info.get("type") == "directory":
        raise InputError(f"{url!r} is a folder; name the file in it that is to be read")
    return int(info.get("size") or 0)


@contextmanager
def open_source(source: Source) -> Iterator[BinaryIO]:
    """Raw bytes of a file or URL. Raises InputError when it cannot be opened."""
    try:
        if isinstance(source.location, Path):
            handle = source.location.open("rb")
        else:
            import fsspec

            handle = fsspec.open(source.location, "rb").open()
    except (OSError, ValueError, ImportError) as error:
        raise InputError(f"cannot open {source.name!r}: {error}; check its permissions") from error
    with handle:
        yield cast(BinaryIO, handle)


def iter_blocks(
    source: Source, *, on_read: Callable[[int], None] = lambda _: None
) -> Iterator[bytes]:
    """Decoded bytes in blocks; gzip is told by its first bytes, whatever the name says.

    `on_read` gets the number of bytes taken from disk since it was last called. Raises InputError
    for a file that is neither text nor gzip, and its kind DamagedFileError, after every readable
    byte, when a gzip stream is cut short or corrupt.
    """
    with open_source(source) as handle:
        head = handle.read(16)
        check_head(head, source.name)
        reader = _iter_gzip if head.startswith(_GZIP) else _iter_plain
        count = 0
        try:
            for block in reader(head, handle, on_read):
                count += len(block)
                yield block
        except _BrokenStreamError as error:
            raise DamagedFileError(
                f"{source.name!r} is not whole: {error} after {count:,} readable bytes. Only whole "
                "files are published, since what is missing is not known: have it delivered again, "
                "or unpack what can be read and deliver that as a plain file"
            ) from error


def check_head(head: bytes, name: str) -> None:
    """Raise InputError when the first bytes belong to a format that is not text or gzip."""
    for magic, meaning in _FOREIGN.items():
        if head.startswith(magic):
            raise InputError(f"{name!r} is {meaning}; expected UTF-8 text, plain or gzip")
    if head.startswith(_PARQUET):
        raise InputError(f"{name!r} is a Parquet file; only 'mapping' reads .parquet files")


def _iter_plain(head: bytes, handle: BinaryIO, on_read: Callable[[int], None]) -> Iterator[bytes]:
    block = head + handle.read(BLOCK_BYTES - len(head))
    while block:
        on_read(len(block))
        yield block
        block = handle.read(BLOCK_BYTES)


def _iter_gzip(head: bytes, handle: BinaryIO, on_read: Callable[[int], None]) -> Iterator[bytes]:
    """Gzip members, one after another, gathered into blocks of at least BLOCK_BYTES."""
    pieces: list[bytes] = []
    held = 0
    try:
        for piece in _iter_inflated(head, handle, on_read):
            pieces.append(piece)
            held += len(piece)
            if held >= BLOCK_BYTES:
                yield b"".join(pieces)
                pieces, held = [], 0
    except _BrokenStreamError:
        if pieces:
            yield b"".join(pieces)
        raise
    if pieces:
        yield b"".join(pieces)


def _iter_inflated(
    head: bytes, handle: BinaryIO, on_read: Callable[[int], None]
) -> Iterator[bytes]:
    inflater = zlib.decompressobj(wbits=31)
    packed = head
    while packed:
        on_read(len(packed))
        while packed:
            if inflater.eof:
                if not packed.lstrip(b"\0"):
                    break
                inflater = zlib.decompressobj(wbits=31)
            before = inflater.copy()
            try:
                piece = inflater.decompress(packed, BLOCK_BYTES)
            except zlib.error as error:
                yield from _rescue_bytes(before, packed)
                raise _BrokenStreamError(f"the gzip stream is corrupt ({error})") from error
            if piece:
                yield piece
            packed = inflater.unconsumed_tail or (inflater.unused_data if inflater.eof else b"")
        packed = handle.read(_PACKED_BYTES)
    if not inflater.eof:
        raise _BrokenStreamError("the gzip stream is cut short")


def _rescue_bytes(inflater: "zlib._Decompress", packed: bytes) -> Iterator[bytes]:
    """Whatever still comes out before the byte at which decompression fails."""
    try:
        for at in range(len(packed)):
            piece = inflater.decompress(packed[at : at + 1])
            if piece:
                yield piece
    except zlib.error:
        return
