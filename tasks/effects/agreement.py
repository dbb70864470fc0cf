"""Do labels belong to the texts they are held against?

Labels that sit on other rows than those they were made of (rows counted from 1, a sorted file, ids of
another export) look like any others and bend every effect that is corrected by them. What gives them
away is that they agree with what was read no better than labels of other texts do.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from tasks.effects.basis import FloatArray
from tasks.effects.credibility import Finding
from tasks.effects.impute import Labels
from tasks.effects.moments import IntArray

_DEALS: Final = 400
_FEW: Final = 10
_SEED: Final = 20240301
_SURE: Final = 3.0
_VERY_SURE: Final = 6.0
_SMALL: Final = 0.2
_REVERSED_P: Final = 1e-4
_ODD_P: Final = 0.01
_STRANGE_P: Final = 1e-5


@dataclass(frozen=True)
class Agreement:
    """`share` of labels that agree with what was read, and `by_chance` of those of another text.

    `kappa` is the excess over chance, 1 when all agree (Cohen 1960,
    https://doi.org/10.1177/001316446002000104); `z` is that excess in standard deviations of what
    dealing the texts anew gives, `error` one such deviation of `kappa`.
    """

    share: float
    by_chance: float
    kappa: float
    error: float
    z: float

    @property
    def is_found(self) -> bool:
        """More than chance would have it."""
        return self.z >= _SURE


def measure_agreement(read: Labels, labels: Labels) -> Agreement | None:
    """Agreement of what was read in g texts with their labels, both (g, k) in {-1, 0, 1}.

    None where it cannot be told from chance: nothing varies.
    """
    rng = np.random.default_rng(_SEED)
    share = float((read == labels).mean())
    dealt = np.array([
        (read[rng.permutation(len(read))] == labels).mean() for _ in range(_DEALS)
    ])  # fmt: skip
    by_chance, spread = float(dealt.mean()), float(dealt.std())
    if spread < 1e-12 or by_chance > 1 - 1e-9:
        return None
    room = 1 - by_chance
    excess = share - by_chance
    return Agreement(share, by_chance, excess / room, spread / room, excess / spread)


def check_sides(read: Labels, labels: Labels) -> list[Finding]:
    """Whether labels call praise what was read as blame, and the reverse; both (g, k)."""
    from scipy.stats import binomtest

    is_both = (read != 0) & (labels != 0)
    count, alike = int(is_both.sum()), int((read == labels)[is_both].sum())
    if not count or binomtest(alike, count, 0.5, alternative="less").pvalue >= _REVERSED_P:
        return []
    said = (
        f"of {count:,} cases that were read and labelled as praise or complaint only {alike:,} agree: "
        "are the signs of the labels reversed? 1 is praise, -1 a complaint"
    )
    return [("not credible", said)]


def check_agreement(found: Agreement | None) -> list[Finding]:
    """What a want of agreement says against an estimate that rests on the labels."""
    if found is None or found.is_found:
        return []
    said = (
        f"the labels agree with what was read in {found.share:.0%} of cases, and labels of other "
        f"reviews would in {found.by_chance:.0%}: are they on the rows of their own reviews?"
    )
    is_none = found.kappa + 2 * found.error < _SMALL
    return [("not credible" if is_none else "weak", said)]


def check_sample(labelled: IntArray, outcome: FloatArray, controls: FloatArray) -> list[Finding]:
    """Whether the rows `labelled` (g,) can be a random sample of the n of `outcome` and `controls`.

    Their outcomes' distribution, and the means of outcome and of each control, are compared with
    those of the other rows (Kolmogorov-Smirnov, Welch; Bonferroni over all): what is drawn by chance
    agrees but for chance, whatever the rows have to do with one another.
    """
    from scipy.stats import ks_2samp, ttest_ind

    is_labelled = np.zeros(len(outcome), dtype=bool)
    is_labelled[labelled] = True
    if is_labelled.all() or is_labelled.sum() < _FEW or (~is_labelled).sum() < _FEW:
        return []
    columns = np.column_stack([outcome, controls])
    columns = columns[:, (np.ptp(columns[is_labelled], axis=0) > 0)]
    means = ttest_ind(columns[is_labelled], columns[~is_labelled], equal_var=False, axis=0).pvalue
    shape = ks_2samp(outcome[is_labelled], outcome[~is_labelled]).pvalue
    p_value = min(1.0, float(min([*np.atleast_1d(means), shape])) * (columns.shape[1] + 1))
    if p_value >= _ODD_P:
        return []
    own, other = outcome[is_labelled].mean(), outcome[~is_labelled].mean()
    said = (
        f"the labelled reviews are no random sample of all: outcome {own:.2f} on average, {other:.2f} "
        f"in the others, or controls or mentions that differ (p = {p_value:.1g}); a correction holds for reviews "
        "drawn at random only"
    )
    return [("not credible" if p_value < _STRANGE_P else "weak", said)]


def is_elsewhere(own: Agreement, other: Agreement) -> bool:
    """Whether labels go with `other` rows beyond doubt, and clearly better than with their `own`."""
    return other.z >= _VERY_SURE and other.kappa > own.kappa + _SMALL
