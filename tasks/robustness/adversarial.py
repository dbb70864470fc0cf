"""Teaching a reader with what would fool it, and how much of its gap that closes.

Counterfactual augmentation (Kaushik et al. 2020, https://arxiv.org/abs/1909.12434, whose edits are
written by people; here they are made by rule): a text with its judgements turned round teaches the
opposite label, so that what merely goes along with a judgement loses its weight.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tasks.platform.errors import InputError
from tasks.robustness.text.rewrites import Rewrite
from tasks.robustness.text.words import count_changed_words

Labels = npt.NDArray[np.int64]
N_RESAMPLES = 2000


@dataclass(frozen=True)
class Augmented:
    """Texts with labels (n,), the given ones first; `is_made` (n,) marks those made by rule."""

    texts: tuple[str, ...]
    labels: Labels
    is_made: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Gap:
    """Share read rightly of `n` originals and of their counterfactuals, and the difference.

    `low` and `high` bound the gap with 95% (paired bootstrap).
    """

    n: int
    original: float
    counterfactual: float
    gap: float
    low: float
    high: float


def augment(
    texts: Sequence[str],
    labels: Labels,
    *,
    turning: Sequence[Rewrite] = (),
    keeping: Sequence[Rewrite] = (),
    least_words: int = 1,
    share: float = 1.0,
    rng: np.random.Generator | None = None,
) -> Augmented:
    """The texts with rewrites of them: `turning` ones get the opposite label, `keeping` ones the same.

    Labels are 1, -1, or anything else, of which no turned text is made. A rewrite that changes fewer
    than `least_words` words is left out. Of each rewrite a random `share` of the texts is taken (by
    `rng`): as many turned texts as given ones teach that topics count for nothing, also where they
    tell. Raises InputError when texts and labels do not fit.
    """
    if len(texts) != len(labels):
        raise InputError(f"{len(texts)} texts and {len(labels)} labels were given; give one each")
    made: list[tuple[str, int]] = []
    for rewrites, sign in ((turning, -1), (keeping, 1)):
        for rewrite in rewrites:
            drawn = np.ones(len(texts)) if rng is None else rng.random(len(texts)) < share
            rows = [r for r in range(len(texts)) if drawn[r] and (sign == 1 or is_side(labels[r]))]
            versions = rewrite.rewrite([texts[row] for row in rows])
            made += [
                (version, sign * int(labels[row]))
                for row, found in zip(rows, versions, strict=True)
                for version in found
                if count_changed_words(texts[row], version) >= least_words
            ]
    given = {text: int(label) for text, label in zip(texts, labels, strict=True)}
    new = {text: label for text, label in made if text not in given}
    return Augmented(
        (*texts, *new),
        np.concatenate([labels, np.array([*new.values()], dtype=np.int64)]).astype(np.int64),
        np.arange(len(texts) + len(new)) >= len(texts),
    )


def is_side(label: int) -> bool:
    """Whether a label has an opposite."""
    return abs(int(label)) == 1


def measure_gap(
    original_right: npt.NDArray[np.bool_],
    counterfactual_right: npt.NDArray[np.bool_],
    *,
    rng: np.random.Generator,
) -> Gap:
    """The gap between paired texts, both (n,): which were read rightly. Raises InputError for none."""
    n = len(original_right)
    if n == 0 or n != len(counterfactual_right):
        raise InputError(
            f"{n} originals and {len(counterfactual_right)} counterfactuals; give pairs, at least one"
        )
    steps = original_right.astype(np.float64) - counterfactual_right
    drawn = steps[rng.integers(0, n, size=(N_RESAMPLES, n))].mean(axis=1)
    low, high = np.percentile(drawn, (2.5, 97.5))
    return Gap(
        n, float(original_right.mean()), float(counterfactual_right.mean()), float(steps.mean()),
        float(low), float(high),
    )  # fmt: skip


def share_closed(before: Gap, after: Gap) -> float | None:
    """Share of a gap that is closed; None where there was none. Worse originals do not count as closing.

    What the originals lost is taken off: a reader that is bad at both has closed nothing.
    """
    if before.gap <= 0:
        return None
    lost = max(0.0, before.original - after.original)
    return 1.0 - (max(after.gap, 0.0) + lost) / before.gap
