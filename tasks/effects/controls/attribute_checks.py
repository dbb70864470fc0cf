"""What speaks against an attribute's effect as against any treatment's: codes, small levels, holes, copies.

From a complaint to praise is one slope: that of half the polarity (-1/2, 0 or 1/2), given whether the
attribute is mentioned, what is said of the others, and the controls.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tasks.effects.basis import FloatArray
from tasks.effects.controls.codes import find_codes
from tasks.effects.controls.columns import Controls
from tasks.effects.controls.left_over import (
    Slope,
    measure_slope,
    tell_levels_apart,
    weigh_moves,
)
from tasks.effects.credibility import Finding
from tasks.effects.holes import check_hole
from tasks.effects.impute import Labels
from tasks.effects.intervals import Interval
from tasks.effects.moments import IntArray


@dataclass(frozen=True, eq=False)
class Reviews:
    """n reviews made ready: `read` (n, k) polarities, `outcome` (n,) and what is adjusted for.

    `controls` (n, p) are those that `built` describes with their bends, `whole` those of whole
    numbers (n,) by name, `cluster` (n,) codes of reviews that are not independent; `copies` says how many
    equal others, empty where that is no fault.
    """

    read: Labels
    outcome: FloatArray
    built: Controls
    controls: FloatArray
    whole: Mapping[str, FloatArray]
    cluster: IntArray
    copies: str


def check_attribute(reviews: Reviews, at: int, found: Interval) -> list[Finding]:
    """What the controls leave in the effect of attribute `at`, whose interval is `found`.

    An effect that was corrected for misreading is judged by what was read.
    """
    said = _list_said(reviews.read, at)
    slope = make_slope(reviews, said, at)
    built = reviews.built
    looks = find_codes(
        reviews.whole, slope.known, slope.treatment, slope.outcome, slope.cluster, what="mention"
    )
    moves = [tell_levels_apart(slope, codes) for _, codes in built.shared]
    return [
        *(("weak", look) for look in looks),
        *weigh_moves(built.shared, moves, found, who="the estimate", in_part=built.in_part),
        *_check_hole(slope, said, built, found),
    ]


def make_slope(reviews: Reviews, said: FloatArray, at: int) -> Slope:
    """The slope of outcome on half the polarity of attribute `at`; `said` (n, s) is known besides."""
    return Slope(
        treatment=reviews.read[:, at] / 2,
        outcome=reviews.outcome,
        known=np.column_stack([reviews.controls, said]),
        cluster=reviews.cluster,
    )


def _list_said(read: Labels, at: int) -> FloatArray:
    """Mention of attribute `at`, praise and blame of the others, (n, s), those that vary."""
    others = np.delete(read, at, axis=1)
    columns = np.column_stack([read[:, at] != 0, others == 1, others == -1]).astype(np.float64)
    varying: FloatArray = columns[:, np.ptp(columns, axis=0) > 0]
    return varying


def _check_hole(slope: Slope, said: FloatArray, built: Controls, found: Interval) -> list[Finding]:
    """Whether reviews without a control keep what it would take away, in an effect or its reading."""
    if not built.hole[1]:
        return []
    own, naive = measure_slope(slope, slope.known), measure_slope(slope, said)
    half = (found.ci_high - found.ci_low) / 2
    as_read = Interval(own, found.std_error, own - half, own + half, found.p_value)
    return check_hole(built.hole, as_read, naive)
