"""Defences, and how good they are: detection against known labels, conclusions drawn robustly."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import polars as pl

from tasks.robustness.corpus import Corpus, Flags, Floats
from tasks.robustness.detect import Suspicion
from tasks.robustness.effects import Conclusion, Target, is_inside

Defence = Literal["flagged rows left out", "influence capped"]

FALSE_ALARMS: Final = 0.01
CAP_QUANTILE: Final = 0.5


@dataclass(frozen=True)
class Detection:
    """How well fakes were told from genuine, on labels that the detector did not see.

    `auc` is of accounts. `precision` and `recall` are of accounts at the threshold that `at` (a
    share) of the genuine ones pass. `flagged`, `hits` and `false_alarms` count accounts past the
    detector's own fence; `rows_flagged` and `rows_hit` reviews.
    """

    auc: float
    at: float
    precision: float
    recall: float
    accounts: int
    fakes: int
    flagged: int
    hits: int
    rows_flagged: int
    rows_hit: int

    @property
    def false_alarms(self) -> int:
        """Genuine accounts past the fence."""
        return self.flagged - self.hits

    @property
    def false_alarm_rate(self) -> float:
        """Share of the genuine accounts past the fence."""
        return self.false_alarms / max(self.accounts - self.fakes, 1)


@dataclass(frozen=True)
class Defended:
    """A conclusion drawn with a defence on; `shift` is in clean standard errors."""

    defence: Defence
    attribute: str
    clean: Conclusion
    defended: Conclusion

    @property
    def shift(self) -> float | None:
        """How far the estimate still is from the clean one."""
        if self.clean.estimate is None or self.defended.estimate is None:
            return None
        if not self.clean.std_error:
            return None
        return (self.defended.estimate - self.clean.estimate) / self.clean.std_error

    @property
    def is_back(self) -> bool:
        """The estimate lies in the clean interval."""
        return is_inside(self.defended, self.clean)


def score_detection(
    suspicion: Suspicion, fakes: pl.DataFrame, *, false_alarms: float = FALSE_ALARMS
) -> Detection:
    """Compare the scores with who wrote `fakes`."""
    from sklearn.metrics import roc_auc_score

    is_fake = find_fakes(suspicion.corpus, fakes)
    score, flags = suspicion.score, suspicion.flags
    threshold = np.quantile(score[~is_fake], 1 - false_alarms, method="higher")
    passed = score > threshold
    rows = suspicion.row_flags
    return Detection(
        auc=float(roc_auc_score(is_fake, score)),
        at=false_alarms,
        precision=float(is_fake[passed].mean()) if passed.any() else 0.0,
        recall=float(passed[is_fake].mean()),
        accounts=len(score),
        fakes=int(is_fake.sum()),
        flagged=int(flags.sum()),
        hits=int((flags & is_fake).sum()),
        rows_flagged=int(rows.sum()),
        rows_hit=int(rows[is_fake[suspicion.corpus.user]].sum()),
    )


def find_fakes(corpus: Corpus, fakes: pl.DataFrame) -> Flags:
    """Which accounts wrote `fakes`, shape (users,)."""
    return np.isin(np.array(corpus.users), fakes["user_id"].unique().to_numpy())


def defend_conclusions(
    target: Target,
    fakes: pl.DataFrame,
    suspicion: Suspicion,
    *,
    clean: Mapping[str, Conclusion],
) -> list[Defended]:
    """Conclusions of all attributes from genuine and fake rows, under each defence.

    `suspicion` is of both together (`join_rows`).
    """
    weights: dict[Defence, Floats] = {
        "flagged rows left out": keep_unflagged(suspicion),
        "influence capped": cap_influence(suspicion.corpus),
    }
    return [
        Defended(defence, attribute, clean[attribute], found)
        for defence, kept in weights.items()
        for attribute, found in target.conclude(fakes, kept).items()
    ]


def keep_unflagged(suspicion: Suspicion) -> Floats:
    """Weight 0 for reviews of flagged accounts, else 1; shape (n,)."""
    weights: Floats = 1.0 - suspicion.row_flags.astype(np.float64)
    return weights


def cap_influence(corpus: Corpus) -> Floats:
    """Weights (n,) under which no account counts for more than the median one."""
    counts = np.bincount(corpus.user)
    cap = max(float(np.quantile(counts, CAP_QUANTILE)), 1.0)
    weights: Floats = np.minimum(1.0, cap / counts)[corpus.user]
    return weights
