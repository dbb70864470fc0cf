"""Lines of text files as Arrow batches, cut from large blocks without a Python step per line.

A batch row is one line: `line` is its number from 1 (blank lines have numbers and are not rows),
`raw` its text, `problem` ("kind: detail") why it cannot be read at all, else null.
"""

import ast
import hashlib
import json
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

BATCH_SCHEMA: Final = pa.schema(
    [
        pa.field("line", pa.int64()),
        pa.field("raw", pa.string()),
        pa.field("cells", pa.list_(pa.string())),
        pa.field("problem", pa.string()),
    ]
)
BAD_ENCODING: Final = "not valid UTF-8"
"""Kind of the reason that such lines are refused for."""
SAVE_AS_UTF8: Final = "save the file as UTF-8"
"""What to do about them."""
RAW_BYTES: Final = 16 << 20
"""Of a longer line the quarantine keeps this much, with the length and SHA-256 of the whole."""

_BOM: Final = b"\xef\xbb\xbf"
_NEWLINE: Final = 10
_BLANKS: Final = np.array([9, 10, 13, 32], np.uint8)


@dataclass(frozen=True)
class Chunk:
    """Whole lines from number `first` on: `data` up to its last newline.

    What comes after that is no part of it; it is there because to cut it off is to copy the rest.
    With `problem`, `data` is one line (or the beginning of one) that cannot be read.
    """

    data: bytes
    first: int
    problem: str | None = None

    @cached_property
    def ends(self) -> NDArray[np.int64]:
        """Where each line ends, its newline included, shape (lines,)."""
        return np.flatnonzero(np.frombuffer(self.data, np.uint8) == _NEWLINE) + 1

    @property
    def size(self) -> int:
        """Bytes of the lines, all newlines included."""
        return int(self.ends[-1])


def iter_chunks(blocks: Iterable[bytes], *, max_line_bytes: int) -> Iterator[Chunk]:
    """Cut blocks into chunks of whole lines.

    A line longer than `max_line_bytes` that spans blocks is never held whole: it becomes a chunk of
    its own with a problem.
    """
    state = _Cutter(max_line_bytes)
    for block in blocks:
        yield from state.cut(block)
    yield from state.close()


class _Cutter:
    """Carries an unfinished line from block to block."""

    def __init__(self, max_line_bytes: int) -> None:
        self.max_line_bytes = max_line_bytes
        self.line = 1
        self.rest = b""
        self.is_first = True
        self.skipped = 0
        self.digest = hashlib.sha256()

    def cut(self, block: bytes) -> Iterator[Chunk]:
        """Whole lines of `block` and of what was left before it."""
        if self.is_first:
            block, self.is_first = block.removeprefix(_BOM), False
        if self.skipped:
            end = block.find(b"\n") + 1
            self._skip(block[: end or len(block)])
            if not end:
                return
            yield self._take_skipped()
            block = block[end:]
        data = self.rest + block
        end = data.rfind(b"\n") + 1
        self.rest = data[end:]
        if end:
            yield self._take(data)
        if len(self.rest) > self.max_line_bytes:
            self._skip(self.rest)

    def close(self) -> Iterator[Chunk]:
        """The last line, if it has no newline."""
        if self.skipped:
            yield self._take_skipped()
        elif self.rest:
            yield self._take(self.rest + b"\n")

    def _take(self, data: bytes) -> Chunk:
        chunk = Chunk(data=data, first=self.line)
        self.line += len(chunk.ends)
        return chunk

    def _skip(self, data: bytes) -> None:
        if not self.skipped:
            self.digest = hashlib.sha256()
            self.rest = data[:RAW_BYTES]
        else:
            self.rest += data[: RAW_BYTES - len(self.rest)]
        self.skipped += len(data)
        self.digest.update(data)

    def _take_skipped(self) -> Chunk:
        chunk = Chunk(
            data=self.rest,
            first=self.line,
            problem=_describe_long(self.skipped, self.max_line_bytes, self.digest.hexdigest()),
        )
        self.line += 1
        self.rest, self.skipped = b"", 0
        return chunk


def _describe_long(size: int, allowed: int, digest: str) -> str:
    return f"line too long: {size:,} bytes, at most {allowed:,} are allowed (sha256 {digest})"


def make_line_batch(
    chunk: Chunk, *, max_line_bytes: int, is_literal: bool = False
) -> pa.RecordBatch:
    """One batch from a chunk of JSON lines; blank lines are left out."""
    if chunk.problem is not None:
        return make_problem_batch([(chunk.first, chunk.data, chunk.problem)])
    data, ends = np.frombuffer(chunk.data, np.uint8), chunk.ends
    starts = np.concatenate(([0], ends[:-1]))
    is_blank = _find_blank(chunk.data, data, starts, ends)
    raw = pa.StringArray.from_buffers(
        len(ends),
        pa.py_buffer(np.concatenate(([0], ends)).astype(np.int32)),
        pa.py_buffer(chunk.data),
    )
    problems: dict[int, str] = {
        int(at): _describe_long(
            int(ends[at] - starts[at]), max_line_bytes, _hash_line(chunk.data, starts[at], ends[at])
        )
        for at in np.flatnonzero(ends - starts > max_line_bytes)
    }
    if not is_utf8(raw):
        raw = _repair_lines(chunk.data, starts, ends, problems)
    if is_literal and chunk.data.find(b"{'", 0, chunk.size) >= 0:
        raw = pa.array([_rewrite_literal(text) for text in raw.to_pylist()], pa.string())
    return _assemble(chunk.first, raw, problems, is_blank)


def _find_blank(
    text: bytes, data: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Lines of nothing but white space; only those that begin with some are looked at."""
    is_blank = np.zeros(len(starts), np.bool_)
    for at in np.flatnonzero(np.isin(data[starts], _BLANKS)):
        is_blank[at] = not text[starts[at] : ends[at]].strip()
    return is_blank


def is_utf8(raw: pa.StringArray) -> bool:
    """Whether every value is what it is to be."""
    try:
        raw.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _hash_line(text: bytes, start: int, end: int) -> str:
    return hashlib.sha256(text[start:end]).hexdigest()


def _repair_lines(
    text: bytes, starts: NDArray[np.int64], ends: NDArray[np.int64], problems: dict[int, str]
) -> pa.StringArray:
    """Text of the lines of a chunk of which some are not UTF-8; those become problems."""
    lines = []
    for at, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
        line = text[start:end]
        try:
            lines.append(line.decode())
        except UnicodeDecodeError as error:
            lines.append(line.decode(errors="backslashreplace"))
            problems.setdefault(at, describe_encoding(error))
    return pa.array(lines, pa.string())


def describe_encoding(error: UnicodeDecodeError) -> str:
    """The problem of bytes that are not UTF-8."""
    byte = error.object[error.start]
    return f"{BAD_ENCODING}: byte 0x{byte:02x} at byte {error.start + 1} of the line"


def _assemble(
    first: int,
    raw: pa.StringArray,
    problems: dict[int, str],
    is_blank: NDArray[np.bool_],
) -> pa.RecordBatch:
    count = len(raw)
    told: pa.Array = pa.nulls(count, pa.string())
    if problems:
        told = pa.array([problems.get(at) for at in range(count)], pa.string())
    batch = pa.record_batch(
        [
            pa.array(np.arange(first, first + count)),
            raw,
            pa.nulls(count, pa.list_(pa.string())),
            told,
        ],
        schema=BATCH_SCHEMA,
    )
    return batch.filter(pa.array(~is_blank)) if is_blank.any() else batch


def make_problem_batch(rows: list[tuple[int, bytes, str]]) -> pa.RecordBatch:
    """Rows (line, bytes, problem) that cannot be read."""
    return pa.record_batch(
        [
            pa.array([line for line, _, _ in rows], pa.int64()),
            pa.array([clip_bytes(data) for _, data, _ in rows], pa.string()),
            pa.nulls(len(rows), pa.list_(pa.string())),
            pa.array([problem for _, _, problem in rows], pa.string()),
        ],
        schema=BATCH_SCHEMA,
    )


def clip_bytes(data: bytes) -> str:
    r"""Bytes as text, invalid ones as `\\xNN`, at most RAW_BYTES of them."""
    return data[:RAW_BYTES].decode(errors="backslashreplace")


def _rewrite_literal(text: str) -> str:
    """A Python literal as JSON; any other text, and one that JSON has no form for, as it is."""
    if not text.startswith("{'") and not text.startswith('{"'):
        return text
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        found = read_literal(text)
        try:
            return text if found is None else json.dumps(found, default=str)
        except (TypeError, ValueError, RecursionError):
            return text
    return text


def read_literal(text: str) -> dict[Any, Any] | None:
    """The object that a line of Python literals holds, None if it holds none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
        return None
    return found if isinstance(found, dict) else None


def explain_line(text: str | None) -> str:
    """Why a line is not a JSON object, in words, as a reason of the quarantine."""
    if not text:
        return "not valid JSON: the line is empty"
    if "\0" in text:
        return "NUL bytes: the line holds bytes of value zero"
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        return f"not valid JSON: {error.msg} at character {error.pos + 1}"
    except (ValueError, RecursionError):
        return "not valid JSON: numbers or nesting beyond what can be read"
    if isinstance(found, dict):
        return "not valid JSON: it holds half of a surrogate pair or another broken escape"
    kinds = {list: "a list", str: "a text", bool: "a flag", type(None): "null"}
    return f"not a JSON object: the line holds {kinds.get(type(found), 'a number')}"
