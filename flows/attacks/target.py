"""The causal conclusions of the effects room, as a target of the robustness room.

An attack's rows go through the panel and the frozen control basis like any others, are reduced to
Gram matrices and added to the stored ones; conclusions are drawn from the sum. Reviews that
were never read have no row, as in a night, and belong to the history of others. Genuine rows keep the
history that they had: reviews dated after a fake one do not see it in their controls
(`conclude_afresh` recomputes these, too).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Any, Final

import numpy as np
import polars as pl

from tasks.effects.basis import Basis, FloatArray, fit_basis
from tasks.effects.estimate import (
    HEADLINE,
    Method,
    Window,
    contrast_weights,
    estimate_effects,
    list_controls,
    screen_treatments,
)
from tasks.effects.moments import (
    IntArray,
    Moments,
    build_design,
    compute_moments,
    stable_bucket,
    sum_moments,
)
from tasks.effects.panel import CONTROL, build_panel, panel_spec, treatment_names
from tasks.effects.plr import fit_nuisances, solve_residuals
from tasks.platform.errors import EstimationError
from tasks.robustness.corpus import SAYS, Corpus, make_corpus
from tasks.robustness.effects import Conclusion

OUTCOME: Final = "rating"
HISTORY: Final = ("user_id", "item_id", "event_date", "rating")
ITEM_COLUMNS: Final = pl.Schema(
    {"item_id": pl.String, "price_usd": pl.Float64, "brand": pl.String, "category": pl.String}
)
USER_COLUMNS: Final = pl.Schema({"user_id": pl.String, "features": pl.String})
_WINDOW: Final = Window("attacked", "all", date.min, date.max)


@dataclass(frozen=True)
class Recipe:
    """How conclusions are drawn: as in the settings of the effects room."""

    method: Method = field(default_factory=Method)
    buckets: int = 40
    history_days: int = 365
    max_levels: int = 20


@dataclass(frozen=True, eq=False)
class MomentsTarget:
    """Conclusions on every attribute of a corpus, from moments.

    `corpus` is sorted by date and review; `items` and `users` have the columns that the panel reads.
    """

    corpus: Corpus
    items: pl.DataFrame
    users: pl.DataFrame
    recipe: Recipe

    @cached_property
    def panel(self) -> pl.DataFrame:
        """The design panel of the genuine reviews that were read, in their order."""
        return self._build_panel(self._read, self.corpus.frame)

    @cached_property
    def basis(self) -> Basis:
        """The control basis, fitted on the genuine panel and frozen."""
        return fit_basis(self.panel, panel_spec(self.panel, max_levels=self.recipe.max_levels))

    @cached_property
    def moments(self) -> Moments:
        """The stored moments of the genuine reviews."""
        return self._reduce(*self._design)

    @cached_property
    def _read(self) -> pl.DataFrame:
        """The genuine reviews that were read; raises EstimationError when none was."""
        read = self.corpus.frame.filter("is_read")
        if read.height == 0:
            raise EstimationError(
                f"none of the {self.corpus.n:,} reviews was read, so that no effect is known to "
                "attack; look at their languages, or choose another extractor"
            )
        return read

    def list_held(self) -> list[str]:
        """What the conclusions hold fixed: controls of the genuine panel that vary."""
        names = [name for name in self.panel.columns if name.startswith(CONTROL)]
        varying = [name for name in names if self.panel[name].drop_nulls().n_unique() > 1]
        return [name.removeprefix(CONTROL) for name in varying]

    @property
    def treatments(self) -> tuple[str, ...]:
        """Two columns an attribute."""
        return treatment_names(self.corpus.attributes)

    @cached_property
    def _design(self) -> tuple[FloatArray, IntArray]:
        return self._lay_out(self.panel)

    def conclude(
        self, fakes: pl.DataFrame | None = None, weights: FloatArray | None = None
    ) -> dict[str, Conclusion]:
        """See `tasks.robustness.effects.Target`."""
        rows = estimate_effects(
            self._sum(fakes, weights),
            window=_WINDOW,
            attributes=self.corpus.attributes,
            outcome=OUTCOME,
            method=self.recipe.method,
        )
        return {row["attribute"]: to_conclusion(row) for row in rows if row["contrast"] == HEADLINE}

    def conclude_afresh(self, rows: pl.DataFrame) -> dict[str, Conclusion]:
        """Conclusions from `rows` alone, their history included, under the same basis."""
        corpus = make_corpus(sort_reviews(rows), self.corpus.attributes)
        panel = self._build_panel(corpus.frame.filter("is_read"), corpus.frame)
        found = estimate_effects(
            self._reduce(*self._lay_out(panel)),
            window=_WINDOW,
            attributes=self.corpus.attributes,
            outcome=OUTCOME,
            method=self.recipe.method,
        )
        return {
            row["attribute"]: to_conclusion(row) for row in found if row["contrast"] == HEADLINE
        }

    def gradient(
        self, attribute: str, candidates: pl.DataFrame, fakes: pl.DataFrame | None = None
    ) -> FloatArray:
        """See `tasks.robustness.effects.Target`.

        The residual-on-residual score is orthogonal to the nuisance fits (Chernozhukov et al. 2018),
        so to first order a row moves theta by A^-1 d (y - d'theta) of its out-of-fold residuals.
        """
        moments = self._sum(fakes, None)
        controls = list_controls(moments.columns, self.corpus.attributes, OUTCOME)
        screening = screen_treatments(
            moments, self.treatments, OUTCOME, controls, self.recipe.method
        )
        wanted = contrast_weights(attribute, HEADLINE)
        if screening.residuals is None or not set(wanted) <= set(screening.residuals.treatments):
            raise EstimationError(f"{attribute} has no effect to move: {screening.refused}")
        fit = solve_residuals(screening.residuals)
        nuisances = fit_nuisances(
            moments, treatments=fit.treatments, outcome=OUTCOME,
            controls=[*controls, *screening.nuisances], folds=self.recipe.method.folds,
            penalty=self.recipe.method.penalty,
        )  # fmt: skip
        design, bucket = self._lay_out(self._build_fakes(candidates))
        maps = nuisances.maps[bucket % len(nuisances.maps)]
        left = np.einsum("nq,nqm->nm", design, maps)
        error = left[:, -1] - left[:, :-1] @ fit.theta
        pull: FloatArray = (left[:, :-1] @ (fit.bread @ fit.weights(wanted))) * error
        return pull

    def _sum(self, fakes: pl.DataFrame | None, weights: FloatArray | None) -> Moments:
        is_alone = fakes is None or not fakes["is_read"].any()
        if weights is None:
            parts = [self.moments]
            parts += [] if fakes is None or is_alone else [self._reduce_fakes(fakes)]
            return sum_moments(parts)
        n_fakes = 0 if fakes is None else fakes.height
        if len(weights) != self.corpus.n + n_fakes:
            raise EstimationError(
                f"{len(weights)} weights for {self.corpus.n} reviews and {n_fakes} fakes"
            )
        is_read = self.corpus.is_read
        if fakes is not None:
            is_read = np.concatenate([is_read, fakes["is_read"].to_numpy()])
        weights = weights[is_read]
        design, bucket = self._design
        if fakes is not None and not is_alone:
            more, codes = self._lay_out(self._build_fakes(fakes))
            design, bucket = np.concatenate([design, more]), np.concatenate([bucket, codes])
        kept = weights > 0
        scaled = design[kept] * np.sqrt(weights[kept])[:, None]
        return self._reduce(scaled, bucket[kept])

    def _reduce_fakes(self, fakes: pl.DataFrame) -> Moments:
        return self._reduce(*self._lay_out(self._build_fakes(fakes)))

    def _build_fakes(self, fakes: pl.DataFrame) -> pl.DataFrame:
        """Panel of the fake reviews that were read, in their order; their history is genuine and fake."""
        past = self.corpus.frame.filter(
            pl.col("item_id").is_in(fakes["item_id"].unique().implode())
        )
        history = pl.concat([past.select(HISTORY), fakes.select(HISTORY)])
        read = fakes.filter("is_read")
        panel = self._build_panel(read, history)
        return read.select("review_id").join(
            panel, on="review_id", how="left", maintain_order="left"
        )

    def _build_panel(self, reviews: pl.DataFrame, history: pl.DataFrame) -> pl.DataFrame:
        return build_panel(
            reviews,
            history.select(HISTORY),
            self.items,
            self.users,
            list_says(reviews, self.corpus.attributes),
            attribute_names=self.corpus.attributes,
            history_days=self.recipe.history_days,
        )

    def _lay_out(self, panel: pl.DataFrame) -> tuple[FloatArray, IntArray]:
        design, _ = build_design(panel, self.basis, treatments=self.treatments, outcome=OUTCOME)
        return design, stable_bucket(panel["user_id"], self.recipe.buckets)

    def _reduce(self, design: FloatArray, bucket: IntArray) -> Moments:
        columns = ("1", *self.basis.names, *self.treatments, OUTCOME)
        return compute_moments(
            design, bucket, columns=columns, n_buckets=self.recipe.buckets,
            basis_sha256=self.basis.sha256,
        )  # fmt: skip


def make_target(
    reviews: pl.DataFrame,
    *,
    attributes: Sequence[str],
    items: pl.DataFrame | None = None,
    users: pl.DataFrame | None = None,
    recipe: Recipe | None = None,
) -> MomentsTarget:
    """The target of some reviews (`tasks.robustness.corpus`), with what is known of items and users."""
    return MomentsTarget(
        corpus=make_corpus(sort_reviews(reviews), attributes),
        items=_shape(items, ITEM_COLUMNS),
        users=_shape(users, USER_COLUMNS),
        recipe=recipe or Recipe(),
    )


def sort_reviews(reviews: pl.DataFrame) -> pl.DataFrame:
    """In the order of the panel."""
    keys = [name for name in ("event_date", "review_id") if name in reviews.columns]
    return reviews.sort(keys) if keys else reviews


def list_says(reviews: pl.DataFrame, attributes: Sequence[str]) -> pl.DataFrame:
    """What reviews say, one row per review and attribute spoken of."""
    parts = [
        reviews.filter(pl.col(SAYS + name) != 0).select(
            "review_id",
            pl.lit(name).alias("attribute"),
            pl.lit(True).alias("is_mentioned"),
            pl.col(SAYS + name).cast(pl.Int8).alias("polarity"),
        )
        for name in attributes
    ]
    return pl.concat(parts)


def to_conclusion(row: Mapping[str, Any]) -> Conclusion:
    """A row of effects, as far as an attack is measured by it."""
    names = ("estimate", "std_error", "ci_low", "ci_high")
    return Conclusion(verdict=row["verdict"], **{name: row[name] for name in names})


def _shape(frame: pl.DataFrame | None, schema: pl.Schema) -> pl.DataFrame:
    """`frame` with the columns of `schema`, missing ones null."""
    if frame is None:
        return pl.DataFrame(schema=schema)
    known = [pl.col(name).cast(kind) for name, kind in schema.items() if name in frame.columns]
    absent = [pl.lit(None, kind).alias(n) for n, kind in schema.items() if n not in frame.columns]
    return frame.select(*known, *absent).select(schema.names())
