"""Moments: the additive sufficient statistics of a batch of rows.

With Z = [1, X, D, Y] (intercept, controls, treatments, outcome) a batch is reduced to one Gram
matrix G_b = Z_b' Z_b for each of B buckets of users. Gram matrices add over days and machines; all
that `tasks.effects.plr` needs of the rows is in them. Days are re-summed, never subtracted, so that
replacing a day gives what a fresh computation gives; rows that arrive during a day are a batch like
any other, added to the window's stored sum.

User and item fixed effects are not absorbed. Absorbing them means subtracting each user's mean over
all of the user's rows: a new review changes the demeaned values of the user's older ones, so days
would no longer add, and an early review would be compared with later ones, which may answer it. In
their place stand the means and counts of a user's and an item's *earlier* reviews, as controls that
`tasks.effects.panel` computes (the device of Mundlak 1978, "On the pooling of time series and cross
section data", restricted to the past); what users have in common beyond that is in the intervals,
for the buckets are of users. What is constant in a user and shows in none of their earlier reviews
is not controlled for.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property, lru_cache
from typing import Any, Final, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.effects.basis import Basis, FloatArray, read_numbers
from tasks.platform.errors import EstimationError, InputError

IntArray = NDArray[np.int64]
Device = Literal["cpu", "cuda", "auto"]

INTERCEPT: Final = "1"
_METADATA_KEY: Final = "whyrec.moments"
_BLOCK_ROWS: Final = 200_000


@dataclass(frozen=True, eq=False)
class Moments:
    """Gram matrices of one batch of rows, by bucket of users.

    `columns` names the q columns of Z, the first is the intercept. `packed` has shape
    (B, q (q + 1) / 2): the upper triangle of each bucket's symmetric Gram matrix, row by row,
    float64. `rows` has shape (B,). `basis_sha256` is the hash of the control basis, and moments of
    different bases never add.
    """

    columns: tuple[str, ...]
    packed: FloatArray
    rows: IntArray
    basis_sha256: str = ""

    @property
    def n_buckets(self) -> int:
        """B."""
        return int(self.packed.shape[0])

    @property
    def n(self) -> int:
        """Rows over all buckets."""
        return int(self.rows.sum())

    @cached_property
    def grams(self) -> FloatArray:
        """The Gram matrices unpacked, shape (B, q, q); not to be written to."""
        q = len(self.columns)
        grams = np.take(self.packed, _unpacking(q), axis=1).reshape(-1, q, q)
        grams.setflags(write=False)
        return grams

    def to_bytes(self) -> bytes:
        """As a safetensors file: the same moments give the same bytes."""
        return encode_moments(self)

    @staticmethod
    def from_bytes(blob: bytes) -> "Moments":
        """Read back what `to_bytes` wrote, without a copy; raises InputError for anything else."""
        moments, levels = decode_moments(blob)
        if levels:
            raise InputError("these moments are split by segment; read them as SegmentMoments")
        return moments


def encode_moments(moments: Moments, *, levels: Sequence[str] = ()) -> bytes:
    """A safetensors file of moments, and of the segment levels by which they are split, if any."""
    from safetensors.numpy import save

    meta = {"columns": moments.columns, "basis_sha256": moments.basis_sha256}
    if levels:
        meta["levels"] = tuple(levels)
    tensors = {"packed": np.ascontiguousarray(moments.packed), "rows": moments.rows}
    return save(tensors, metadata={_METADATA_KEY: json.dumps(meta, separators=(",", ":"))})


def decode_moments(blob: bytes) -> tuple[Moments, tuple[str, ...]]:
    """What `encode_moments` wrote, without a copy; raises InputError for anything else."""
    try:
        start = 8 + int.from_bytes(blob[:8], "little")
        head = _read_header(blob[8:start])
        moments = Moments(
            columns=head.columns,
            packed=_view_tensor(blob, start, head.packed, "F64"),
            rows=_view_tensor(blob, start, head.rows, "I64"),
            basis_sha256=head.basis_sha256,
        )
    except (
        KeyError,
        ValueError,
        TypeError,
        OverflowError,
        RecursionError,
        AttributeError,
    ) as error:
        raise InputError(f"not moments ({error!r}); compute them anew") from error
    _check_shapes(moments)
    return moments, head.levels


def stable_bucket(user_ids: pl.Series, n_buckets: int, *, salt: str = "") -> IntArray:
    """Bucket of each user, shape (n,), in [0, n_buckets); the same in every process, for ever.

    The first 8 bytes of MD5 over the UTF-8 of `salt` + id, read big-endian, modulo `n_buckets`.
    Each distinct id is hashed once. Raises EstimationError for a null id.
    """
    if user_ids.null_count() > 0:
        raise EstimationError(f"{user_ids.null_count()} rows have no user id; drop or fill them")
    codes, distinct = factorise(user_ids)
    hashes = np.array([hash_id(salt + text) % n_buckets for text in distinct], dtype=np.int64)
    return hashes[codes] if len(distinct) else np.zeros(0, dtype=np.int64)


def hash_id(text: str) -> int:
    """First 8 bytes of MD5 over the UTF-8 of `text`, big-endian (no secrecy is asked of it)."""
    digest = hashlib.md5(text.encode("utf-8", "surrogatepass"), usedforsecurity=False).digest()
    return int.from_bytes(digest[:8], "big")


def factorise(values: pl.Series) -> tuple[IntArray, list[str]]:
    """Codes of shape (n,) and the distinct values as text, in order of first appearance."""
    text = values.cast(pl.String)
    distinct = text.unique(maintain_order=True)
    if len(distinct) == 0:
        return np.zeros(0, dtype=np.int64), []
    codes = text.replace_strict(distinct, pl.Series(range(len(distinct)), dtype=pl.Int64))
    return codes.to_numpy().astype(np.int64), distinct.to_list()


def compute_moments(
    design: FloatArray,
    bucket: IntArray,
    *,
    columns: Sequence[str],
    n_buckets: int,
    basis_sha256: str = "",
    device: Device = "cpu",
) -> Moments:
    """Reduce `design`, shape (n, q), to the Gram matrices of its buckets.

    `bucket` has shape (n,) with values in [0, n_buckets). Rows of one bucket are gathered and
    multiplied together while they are in the processor's cache. `device` "cuda" multiplies on the
    GPU, in float64 too; "auto" does so where there is one. Raises EstimationError when a value is
    not finite, naming the columns, and when "cuda" is asked for in vain.
    """
    n, q = design.shape
    if len(columns) != q or bucket.shape != (n,):
        raise EstimationError(
            f"design is {design.shape}, bucket {bucket.shape}, with {len(columns)} column names; "
            "they must agree"
        )
    rows = np.bincount(bucket, minlength=n_buckets).astype(np.int64)
    if len(rows) != n_buckets:
        raise EstimationError(f"buckets run to {len(rows) - 1}; allowed are 0 to {n_buckets - 1}")
    order = np.argsort(bucket.astype(np.int16 if n_buckets < 32_768 else np.int64), kind="stable")
    multiply = _multiply_on_gpu if _is_on_gpu(device) else _multiply
    packed = multiply(design, order, rows)
    _check_finite(packed, design, columns)
    return Moments(tuple(columns), packed, rows, basis_sha256)


def sum_moments(batches: Iterable[Moments]) -> Moments:
    """Moments of all rows of all batches, added in the order given.

    Raises EstimationError when there is no batch, or when two do not have the same columns, buckets
    and control basis.
    """
    total: Moments | None = None
    for batch in batches:
        if total is None:
            total = replace(batch, packed=batch.packed.copy(), rows=batch.rows.copy())
            continue
        _check_alike(total, batch)
        np.add(total.packed, batch.packed, out=total.packed)
        np.add(total.rows, batch.rows, out=total.rows)
    if total is None:
        raise EstimationError("there are no moments to add; is the window empty?")
    return total


def halve_moments(batches: Sequence[Moments]) -> tuple[Moments, Moments] | None:
    """Earlier and later half of batches in time order, cut nearest to half the rows.

    None when there are not two batches with rows.
    """
    filled = [batch for batch in batches if batch.n > 0]
    if len(filled) < 2:
        return None
    shares = np.cumsum([batch.n for batch in filled]) / sum(batch.n for batch in filled)
    cut = int(np.argmin(np.abs(shares[:-1] - 0.5))) + 1
    return sum_moments(filled[:cut]), sum_moments(filled[cut:])


def build_design(
    panel: pl.DataFrame, basis: Basis, *, treatments: Sequence[str], outcome: str
) -> tuple[FloatArray, tuple[str, ...]]:
    """Z = [1, X, D, Y] of `panel` and the names of its q columns; Z has shape (n, q)."""
    tail = (*treatments, outcome)
    absent = [name for name in tail if name not in panel.columns]
    if absent:
        raise InputError(f"columns {absent} are not in the panel, which has {panel.columns}")
    p = len(basis.names)
    design = np.empty((panel.height, 1 + p + len(tail)))
    design[:, 0] = 1.0
    design[:, 1 : 1 + p] = basis.transform(panel)
    for column, name in enumerate(tail, start=1 + p):
        design[:, column] = read_numbers(panel[name])
    return design, (INTERCEPT, *basis.names, *tail)


def panel_moments(
    panel: pl.DataFrame,
    basis: Basis,
    *,
    treatments: Sequence[str],
    outcome: str,
    n_buckets: int,
    cluster: str = "user_id",
    block_rows: int = _BLOCK_ROWS,
    device: Device = "cpu",
) -> Moments:
    """Moments of a panel, `block_rows` rows at a time: memory is bounded by the block.

    An empty panel has moments of zero, which add like any others.
    """
    parts = []
    for start in range(0, max(panel.height, 1), block_rows):
        block = panel.slice(start, block_rows)
        design, columns = build_design(block, basis, treatments=treatments, outcome=outcome)
        bucket = stable_bucket(block[cluster], n_buckets)
        parts.append(
            compute_moments(
                design, bucket, columns=columns, n_buckets=n_buckets, basis_sha256=basis.sha256,
                device=device,
            )
        )  # fmt: skip
    return sum_moments(parts)


def _multiply(design: FloatArray, order: IntArray, rows: IntArray) -> FloatArray:
    """Packed Gram matrices of the buckets, shape (B, q (q + 1) / 2); one buffer holds the rows."""
    q = design.shape[1]
    keep = _packing(q)
    packed = np.zeros((len(rows), len(keep)))
    gathered = np.empty((int(rows.max(initial=0)), q))
    ends = np.cumsum(rows)
    for b in np.flatnonzero(rows):
        block = gathered[: rows[b]]
        np.take(design, order[ends[b] - rows[b] : ends[b]], axis=0, out=block, mode="clip")
        np.take((block.T @ block).ravel(), keep, out=packed[b], mode="clip")
    return packed


def _multiply_on_gpu(
    design: FloatArray, order: IntArray, rows: IntArray, *, device: str = "cuda"
) -> FloatArray:
    """The same in torch, where the whole batch lies on the device at once."""
    import torch

    values = torch.as_tensor(design, dtype=torch.float64, device=device)
    blocks = torch.split(values[torch.as_tensor(order, device=device)], rows.tolist())
    grams = torch.stack([block.T @ block for block in blocks])
    keep = torch.as_tensor(_packing(design.shape[1]), device=device)
    packed: FloatArray = grams.reshape(len(rows), -1)[:, keep].cpu().numpy()
    return packed


def _is_on_gpu(device: Device) -> bool:
    """Whether to compute on the GPU; torch is imported only when someone asks for one."""
    if device == "cpu":
        return False
    try:
        import torch

        is_there = torch.cuda.is_available()
    except ImportError:
        is_there = False
    if device == "cuda" and not is_there:
        raise EstimationError("no CUDA device is found by torch; set device to cpu or auto")
    return is_there


@cache
def _packing(q: int) -> IntArray:
    """Where the upper triangle lies in a flat (q, q) matrix, row by row."""
    upper = np.triu_indices(q)
    return np.ravel_multi_index(upper, (q, q)).astype(np.int64)


@cache
def _unpacking(q: int) -> IntArray:
    """Where each entry of a flat symmetric (q, q) matrix lies in its packed upper triangle."""
    square = np.zeros((q, q), dtype=np.int64)
    square[np.triu_indices(q)] = np.arange(q * (q + 1) // 2)
    return (square + np.triu(square, 1).T).ravel()


@dataclass(frozen=True, eq=False)
class _Header:
    """What a file of moments says of itself: `packed` and `rows` are entries of its tensors."""

    columns: tuple[str, ...]
    basis_sha256: str
    levels: tuple[str, ...]
    packed: dict[str, Any]
    rows: dict[str, Any]


@lru_cache(maxsize=64)
def _read_header(text: bytes) -> _Header:
    """The header of a safetensors file; the files of a window have one and the same."""
    header = json.loads(text)
    meta = json.loads(header["__metadata__"][_METADATA_KEY])
    return _Header(
        columns=tuple(meta["columns"]),
        basis_sha256=meta["basis_sha256"],
        levels=tuple(meta.get("levels", ())),
        packed=header["packed"],
        rows=header["rows"],
    )


def _view_tensor(blob: bytes, start: int, entry: dict[str, Any], dtype: str) -> NDArray[Any]:
    """A tensor of a safetensors file where it lies in `blob`: a window reads thirty of them."""
    if entry["dtype"] != dtype:
        raise ValueError(f"{entry['dtype']} where {dtype} is expected")
    first, last = entry["data_offsets"]
    kind = {"F64": "<f8", "I64": "<i8"}[dtype]
    flat = np.frombuffer(blob, dtype=kind, count=(last - first) // 8, offset=start + first)
    return flat.reshape(entry["shape"])


def _check_shapes(moments: Moments) -> None:
    q = len(moments.columns)
    expected = (len(moments.rows), q * (q + 1) // 2)
    if moments.packed.shape != expected or moments.packed.dtype != np.float64:
        raise InputError(
            f"moments hold {moments.packed.dtype} {moments.packed.shape}, expected float64 "
            f"{expected}; compute them anew"
        )


def _check_alike(first: Moments, second: Moments) -> None:
    if first.basis_sha256 != second.basis_sha256:
        raise EstimationError(
            f"moments of two control bases ({first.basis_sha256[:12]}, {second.basis_sha256[:12]}) "
            "do not add; compute them with one basis"
        )
    if first.columns != second.columns or first.n_buckets != second.n_buckets:
        raise EstimationError(
            f"moments with {len(first.columns)} columns in {first.n_buckets} buckets and "
            f"{len(second.columns)} in {second.n_buckets}, or with other names, do not add; "
            "compute them with the same attributes and settings"
        )


def _check_finite(packed: FloatArray, design: FloatArray, columns: Sequence[str]) -> None:
    if np.isfinite(packed).all():
        return
    bad = [name for i, name in enumerate(columns) if not np.isfinite(design[:, i]).all()]
    raise EstimationError(
        f"columns {bad or list(columns)} hold missing, infinite or overflowing values; "
        "drop those rows or fill them before computing moments"
    )
