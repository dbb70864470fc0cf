"""The control basis: how raw control columns become numbers, fitted once and then frozen.

Gram matrices of different days add up only when their columns mean the same thing, so nothing here
depends on the frame being transformed: knots, levels, fill values, centres and scales are constants
of the fitted `Basis`, and its `sha256` is part of every cache key and of every `Moments`.

Numeric columns become restricted cubic splines (linear beyond the outer knots), categorical ones
one-hot columns against their most frequent level. Every column is centred and scaled by constants,
so that one ridge penalty means the same thing for all of them.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.effects.sentinels import find_sentinels
from tasks.platform.errors import ConfigError, EstimationError, InputError

FloatArray = NDArray[np.float64]

OTHER: Final = "(other)"
MISSING: Final = "(missing)"
_BOUNDLESS: Final = 1e100
"""Numbers beyond cannot be squared and summed; they count as missing, like infinity."""
_KNOT_QUANTILES: Final[dict[int, tuple[float, ...]]] = {
    3: (0.10, 0.50, 0.90),
    4: (0.05, 0.35, 0.65, 0.95),
    5: (0.05, 0.275, 0.50, 0.725, 0.95),
}
"""Harrell, Regression Modeling Strategies (2nd ed. 2015), table 2.3."""


@dataclass(frozen=True)
class BasisSpec:
    """Which columns are controls, and how each is bent.

    `numeric` and `categorical` name columns of the frame and must not overlap. Of the numeric ones,
    `log1p` names those taken as log(1 + x) (heavy tails; values below 0 count as missing), `linear`
    those left without a spline, and `unclipped` those that may run past the range seen at the fit
    (time does). All others are held inside that range, so that one absurd value of a later day
    cannot swamp the sums. `coded` are columns in which a number far from all others (-999) may
    stand for "missing". `optional` columns may be absent from a later frame and are then all missing.
    `knots` is 3, 4 or 5; a categorical column keeps at most `max_levels` levels that have at least
    `min_level_rows` rows at the fit, the others share one level.
    """

    numeric: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    log1p: tuple[str, ...] = ()
    linear: tuple[str, ...] = ()
    unclipped: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    coded: tuple[str, ...] = ()
    knots: int = 4
    max_levels: int = 20
    min_level_rows: int = 10

    def __post_init__(self) -> None:
        """Refuse what contradicts itself."""
        named = [*self.numeric, *self.categorical]
        if len(set(named)) != len(named):
            twice = sorted({name for name in named if named.count(name) > 1})
            raise ConfigError(f"controls {twice} are named twice; name each control once")
        if self.knots not in _KNOT_QUANTILES:
            raise ConfigError(f"knots is {self.knots}; allowed are {sorted(_KNOT_QUANTILES)}")

    def straight(self) -> "BasisSpec":
        """The same controls without splines, for tables too small to bend them."""
        return replace(self, linear=self.numeric)


@dataclass(frozen=True)
class NumericTerm:
    """One fitted numeric control.

    `fill` stands for missing values, in transformed units; so does each number of `codes`, in those
    of the column.
    """

    name: str
    is_log1p: bool
    low: float | None
    high: float | None
    fill: float
    knots: tuple[float, ...]
    codes: tuple[float, ...] = ()
    kind: Literal["numeric"] = "numeric"


@dataclass(frozen=True)
class CategoricalTerm:
    """One fitted categorical control; `levels[0]` is the base level and has no column.

    `codes` are numbers that stand for "missing".
    """

    name: str
    levels: tuple[str, ...]
    codes: tuple[float, ...] = ()
    kind: Literal["categorical"] = "categorical"


Term = NumericTerm | CategoricalTerm


@dataclass(frozen=True)
class TextDirections:
    """Where the k scores of a text are read: (vector - centre) on each of k directions.

    `centre` has dim numbers, `directions` k rows of dim; scores of the texts of the fit have mean 0
    and unit deviation, and hold `share` of their variance. `texts` is how many were fitted.
    """

    centre: tuple[float, ...]
    directions: tuple[tuple[float, ...], ...]
    share: float
    texts: int

    def score(self, vectors: FloatArray) -> FloatArray:
        """Scores of embeddings of shape (n, dim), shape (n, k).

        Raises InputError for vectors of another encoder's length.
        """
        dim = len(self.centre)
        if vectors.shape[1] != dim:
            raise InputError(
                f"texts have embeddings of {vectors.shape[1]} numbers, the frozen directions of "
                f"{dim}; fit the basis anew with this encoder"
            )
        directions = np.array(self.directions).reshape(-1, dim)
        scores: FloatArray = (vectors - np.array(self.centre)) @ directions.T
        return scores


@dataclass(frozen=True)
class Basis:
    """A frozen map from a frame to a matrix of controls.

    `names` are the p columns of the matrix; `centre` and `scale` are subtracted and divided by;
    `kept` are their positions among the raw columns of all terms; `dropped` names the raw columns
    that did not vary at the fit, `rows` is how many rows were fitted. `texts` says how the columns
    of text scores, which are numeric controls here, were made from embeddings.
    """

    spec: BasisSpec
    terms: tuple[Term, ...]
    names: tuple[str, ...]
    kept: tuple[int, ...]
    centre: tuple[float, ...]
    scale: tuple[float, ...]
    dropped: tuple[str, ...]
    rows: int
    texts: TextDirections | None = None
    sha256: str = field(init=False, default="")

    def __post_init__(self) -> None:
        """Hash what the transformation depends on."""
        body = json.dumps(_as_document(self), sort_keys=True, separators=(",", ":"))
        object.__setattr__(self, "sha256", hashlib.sha256(body.encode()).hexdigest())

    def transform(self, frame: pl.DataFrame) -> FloatArray:
        """Controls of `frame`, shape (n, p), centred and scaled by the frozen constants.

        Raises InputError when a column is absent that the spec does not call optional.
        """
        _check_columns(self.spec, frame)
        raw = _raw_matrix(self.terms, frame)[:, list(self.kept)]
        raw -= np.array(self.centre)
        raw /= np.array(self.scale)
        return raw

    def to_json(self) -> str:
        """The whole basis as one JSON object, the same text every time."""
        return json.dumps(_as_document(self), sort_keys=True, indent=1)

    @staticmethod
    def from_json(text: str) -> "Basis":
        """Read back what `to_json` wrote; the hash is computed anew and is the same."""
        try:
            document = json.loads(text)
            spec = {k: _as_tuple(v) for k, v in document["spec"].items()}
            return Basis(
                spec=BasisSpec(**spec),
                terms=tuple(_read_term(term) for term in document["terms"]),
                names=tuple(document["names"]),
                kept=tuple(document["kept"]),
                centre=tuple(document["centre"]),
                scale=tuple(document["scale"]),
                dropped=tuple(document["dropped"]),
                rows=document["rows"],
                texts=_read_texts(document["texts"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"this is not a basis written by whyrec ({error!r}); fit it anew"
            ) from error


def fit_basis(
    frame: pl.DataFrame, spec: BasisSpec, *, texts: TextDirections | None = None
) -> Basis:
    """Fit knots, levels, fill values, centres and scales of `spec` on `frame`, and freeze them.

    `texts`, the directions that text scores of `frame` were made with, are frozen beside.
    Columns that do not vary are dropped, and named in `Basis.dropped`. Raises InputError when a
    column is absent, EstimationError when there are no rows.
    """
    if frame.height == 0:
        raise EstimationError("the control basis needs rows to be fitted on, found none")
    _check_columns(spec, frame)
    terms: tuple[Term, ...] = (
        *(_fit_numeric(frame, name, spec) for name in spec.numeric),
        *(_fit_categorical(frame, name, spec) for name in spec.categorical),
    )
    raw = _raw_matrix(terms, frame)
    labels = [label for term in terms for label in label_columns(term)]
    centre, scale = raw.mean(axis=0), raw.std(axis=0)
    kept = np.flatnonzero(scale > 1e-9 * (1.0 + np.abs(centre)))
    return Basis(
        spec=spec,
        terms=terms,
        names=tuple(labels[i] for i in kept),
        kept=tuple(int(i) for i in kept),
        centre=tuple(float(v) for v in centre[kept]),
        scale=tuple(float(v) for v in scale[kept]),
        dropped=tuple(labels[i] for i in np.setdiff1d(np.arange(len(labels)), kept)),
        rows=frame.height,
        texts=texts,
    )


def discover_spec(
    frame: pl.DataFrame,
    columns: Sequence[str],
    *,
    knots: int = 4,
    max_levels: int = 20,
    log1p: Sequence[str] = (),
    linear: Sequence[str] = (),
    unclipped: Sequence[str] = (),
    optional: Sequence[str] = (),
    coded: Sequence[str] = (),
) -> BasisSpec:
    """Read from the types of `columns` which are numeric and which categorical.

    Numbers, booleans, dates (in days) and times are numeric, anything else is categorical. Raises
    InputError when a column is absent.
    """
    _check_present(frame, columns)
    numeric = tuple(name for name in columns if _is_numeric(frame.schema[name]))
    return BasisSpec(
        numeric=numeric,
        categorical=tuple(name for name in columns if name not in numeric),
        log1p=tuple(name for name in log1p if name in numeric),
        linear=tuple(name for name in linear if name in numeric),
        unclipped=tuple(name for name in unclipped if name in numeric),
        optional=tuple(name for name in optional if name in columns),
        coded=tuple(name for name in coded if name in columns),
        knots=knots,
        max_levels=max_levels,
    )


def read_numbers(series: pl.Series) -> FloatArray:
    """`series` as float64, shape (n,); null, unreadable and boundless values become NaN."""
    if series.dtype in (pl.Date, pl.Datetime):
        series = series.cast(pl.Datetime("us")).to_physical() / 86_400e6
    elif series.dtype.is_temporal():
        series = series.to_physical()
    elif not _is_numeric(series.dtype):
        series = series.cast(pl.String, strict=False)
    values = series.cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy()
    return np.where(np.abs(values) < _BOUNDLESS, values, np.nan)


def read_levels(series: pl.Series, codes: Sequence[float] = ()) -> pl.Series:
    """`series` as text levels without nulls; 3.0 and 3 are the same level, `codes` are missing."""
    if codes:
        is_code = pl.Series(np.isin(read_numbers(series), codes))
        series = series.zip_with(~is_code, pl.Series([None] * len(series), dtype=series.dtype))
    if series.dtype.is_float():
        whole = series.fill_nan(None).cast(pl.Int64, strict=False)
        is_whole = (whole.cast(pl.Float64) == series).fill_null(value=False)
        text = series.fill_nan(None).cast(pl.String)
        series = whole.cast(pl.String).zip_with(is_whole, text)
    return series.cast(pl.String, strict=False).fill_null(MISSING)


def _is_numeric(dtype: pl.DataType) -> bool:
    return dtype.is_numeric() or dtype == pl.Boolean or dtype.is_temporal()


def _check_present(frame: pl.DataFrame, columns: Sequence[str]) -> None:
    absent = [name for name in columns if name not in frame.columns]
    if absent:
        raise InputError(
            f"columns {absent} are not in the table; it has {frame.columns}; correct the names"
        )


def _check_columns(spec: BasisSpec, frame: pl.DataFrame) -> None:
    needed = {*spec.numeric, *spec.categorical} - set(spec.optional)
    _check_present(frame, sorted(needed))


def _column(frame: pl.DataFrame, name: str) -> pl.Series:
    if name in frame.columns:
        return frame[name]
    return pl.Series(name, [None] * frame.height, dtype=pl.String)


def _read_values(series: pl.Series, codes: Sequence[float], *, is_log1p: bool) -> FloatArray:
    """Numbers (n,), in logarithms where those are wanted; NaN where they are missing."""
    values = read_numbers(series)
    values = np.where(np.isin(values, codes), np.nan, values)
    return np.log1p(np.where(values < 0, np.nan, values)) if is_log1p else values


def _bend(values: FloatArray, term: NumericTerm) -> FloatArray:
    """Clip as the term says; missing values take its fill."""
    if term.low is not None and term.high is not None:
        values = np.clip(values, term.low, term.high)
    return np.where(np.isnan(values), term.fill, values)


def _fit_numeric(frame: pl.DataFrame, name: str, spec: BasisSpec) -> NumericTerm:
    series, is_log1p = _column(frame, name), name in spec.log1p
    codes: tuple[float, ...] = ()
    if name in spec.coded:
        codes = tuple(find_sentinels(read_numbers(series), is_log1p=is_log1p))
    values = _read_values(series, codes, is_log1p=is_log1p)
    seen = values[~np.isnan(values)]
    if seen.size == 0:
        return NumericTerm(name, is_log1p, None, None, 0.0, (), codes)
    is_free = name in spec.unclipped
    knots = () if name in spec.linear else _choose_knots(seen, spec.knots)
    return NumericTerm(
        name=name,
        is_log1p=is_log1p,
        low=None if is_free else float(seen.min()),
        high=None if is_free else float(seen.max()),
        fill=float(np.median(seen)),
        knots=knots,
        codes=codes,
    )


def _choose_knots(seen: FloatArray, count: int) -> tuple[float, ...]:
    """Distinct quantiles; none (the column stays linear) when fewer than three are distinct."""
    knots = np.unique(np.quantile(seen, _KNOT_QUANTILES[count]))
    gap = 1e-6 * (seen.max() - seen.min())
    is_apart = np.concatenate([[True], np.diff(knots) > gap])
    knots = knots[is_apart]
    return tuple(float(k) for k in knots) if len(knots) >= 3 else ()


def _fit_categorical(frame: pl.DataFrame, name: str, spec: BasisSpec) -> CategoricalTerm:
    series = _column(frame, name)
    codes = tuple(find_sentinels(read_numbers(series))) if name in spec.coded else ()
    counts = read_levels(series, codes).rename("level").value_counts()
    counts = counts.sort(["count", "level"], descending=[True, False])
    known = counts.filter(~pl.col("level").is_in([MISSING, OTHER]))
    large = known.filter(pl.col("count") >= spec.min_level_rows)["level"].to_list()
    levels = large[: spec.max_levels] or known["level"].to_list()[:1]
    has_missing = MISSING in counts["level"]
    tail = [OTHER] if known.height > len(levels) else []
    return CategoricalTerm(name, (*levels, *tail, *([MISSING] if has_missing else [])), codes)


def label_columns(term: Term) -> list[str]:
    """Names of a term's columns; of a number's, the last says whether it is missing."""
    if isinstance(term, NumericTerm):
        splines = [f"{term.name}:s{i + 1}" for i in range(max(len(term.knots) - 2, 0))]
        return [term.name, *splines, f"{term.name}:missing"]
    return [f"{term.name}={level}" for level in term.levels[1:]]


def _raw_matrix(terms: Sequence[Term], frame: pl.DataFrame) -> FloatArray:
    """All columns of all terms before centring, shape (n, raw columns)."""
    width = sum(len(label_columns(term)) for term in terms)
    raw = np.empty((frame.height, width))
    at = 0
    for term in terms:
        series = _column(frame, term.name)
        block = (
            _numeric_block(series, term)
            if isinstance(term, NumericTerm)
            else _categorical_block(series, term)
        )
        raw[:, at : at + block.shape[1]] = block
        at += block.shape[1]
    return raw


def _numeric_block(series: pl.Series, term: NumericTerm) -> FloatArray:
    values = _read_values(series, term.codes, is_log1p=term.is_log1p)
    bent = _bend(values, term)
    columns = [bent, *_spline_columns(bent, term.knots), np.isnan(values).astype(np.float64)]
    return np.column_stack(columns)


def _spline_columns(values: FloatArray, knots: tuple[float, ...]) -> list[FloatArray]:
    """Restricted cubic spline beside the linear column (Harrell 2015, eq. 2.25)."""
    if not knots:
        return []
    width = knots[-1] - knots[0]
    unit = (values - knots[0]) / width
    *inner, before_last, last = ((knot - knots[0]) / width for knot in knots)

    def cube(knot: float) -> FloatArray:
        power: FloatArray = np.maximum(unit - knot, 0.0) ** 3
        return power

    gap = last - before_last
    return [
        cube(k) - cube(before_last) * (last - k) / gap + cube(last) * (before_last - k) / gap
        for k in inner
    ]


def _categorical_block(series: pl.Series, term: CategoricalTerm) -> FloatArray:
    """One-hot against the base level; a level not seen at the fit counts as rare, else as base."""
    levels = read_levels(series, term.codes)
    block = np.zeros((len(series), max(len(term.levels) - 1, 0)))
    is_known = levels.is_in(list(term.levels)).to_numpy()
    for column, level in enumerate(term.levels[1:]):
        is_level = (levels == level).to_numpy()
        block[:, column] = is_level | ~is_known if level == OTHER else is_level
    return block


def _as_document(basis: Basis) -> dict[str, Any]:
    document = asdict(basis)
    document.pop("sha256", None)
    return document


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _read_term(document: dict[str, Any]) -> Term:
    values = {key: _as_tuple(value) for key, value in document.items()}
    if document["kind"] == "numeric":
        return NumericTerm(**values)
    return CategoricalTerm(**values)


def _read_texts(document: dict[str, Any] | None) -> TextDirections | None:
    if document is None:
        return None
    rows = tuple(tuple(row) for row in document["directions"])
    return TextDirections(tuple(document["centre"]), rows, document["share"], document["texts"])
