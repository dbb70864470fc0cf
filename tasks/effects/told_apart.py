"""Levels of a category that share one column for want of columns: would they move an effect, told apart?

A frozen basis gives the largest levels of a category a column each, and all others one. Whether what
differs between these confounds is told by the reviews themselves: the effects of all attributes by least
squares on the controls, without and with a constant for each of these levels (fixed effects). That an
effect moves beyond chance is judged by what the two weigh differently, times what the larger model leaves,
summed by user (Hausman 1978, "Specification tests in econometrics").
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import polars as pl

from tasks.effects.basis import (
    Basis,
    FloatArray,
    read_numbers,
)
from tasks.effects.controls.left_over import Z, find_paired, is_scattered, judge_move
from tasks.effects.credibility import Finding, weigh_row
from tasks.effects.estimate import CONTRASTS, Row, contrast_weights
from tasks.effects.gaps import Gap, code_shared, find_gaps, list_shared, tell_codes
from tasks.effects.moments import IntArray, Moments, factorise
from tasks.effects.panel import treatment_names
from tasks.effects.ridge import centre_within, take_out
from tasks.effects.second_opinion import draw_users
from tasks.platform.numbers import tell_signed

ROWS: Final = 100_000
"""Reviews that are looked at, at most."""
_ROWS_A_COLUMN: Final = 5


def tell_apart(
    panel: pl.DataFrame, basis: Basis, *, attributes: Sequence[str], outcome: str
) -> list[Row]:
    """What telling shared levels apart moves each effect by, in units of the outcome.

    Keys: control, n, levels, attribute, contrast, by, std_error; a row for each control of `basis` with
    such levels, attribute and contrast. None of a control where there are fewer than two levels of two
    reviews, where more of these reviews are alone in their level than not, or with fewer than five reviews
    for each column and level; none of a contrast of which a side never or always occurs. Whole users are
    drawn of more than `ROWS` reviews.
    """
    panel = draw_users(panel, ROWS)
    rows: list[Row] = []
    for term in list_shared(basis):
        if term.name not in panel.columns:
            continue
        codes = code_shared(panel[term.name], term)
        kept = find_paired(codes)
        levels = len(np.unique(codes[kept][codes[kept] >= 0]))
        there = panel[kept]
        names = [n for n in treatment_names(attributes) if 0 < there[n].sum() < there.height]
        width = 1 + len(basis.names) + len(names) + levels
        is_thin = levels < 2 or is_scattered(codes)
        if is_thin or there.height < _ROWS_A_COLUMN * width or not names:
            continue
        moved, pull = _compare(there, basis, names, outcome, codes[kept])
        for attribute in attributes:
            for contrast in CONTRASTS:
                wanted = contrast_weights(attribute, contrast)
                if set(wanted) <= set(names):
                    weights = np.array([wanted.get(name, 0.0) for name in names])
                    rows.append(
                        {
                            "control": term.name, "n": there.height, "levels": levels,
                            "attribute": attribute, "contrast": contrast,
                            "by": float(moved @ weights),
                            "std_error": float(np.sqrt(((pull @ weights) ** 2).sum())),
                        }
                    )  # fmt: skip
    return rows


def weigh_gaps(
    rows: Sequence[Row], basis: Basis, moments: Moments, told: Sequence[Row]
) -> list[Row]:
    """`rows` of a window's effects with what its controls adjust for in part, and codes that they hold.

    `moments` are the window's, with the columns of `basis`; `told` is what `tell_apart` found, of this
    window or of earlier reviews. A gap of which it says nothing makes every effect weak.
    """
    gaps, codes = find_gaps(basis, moments), tell_codes(basis)
    known = {(one["control"], one["attribute"], one["contrast"]): one for one in told}
    return [
        weigh_row(row, [*codes, *(_weigh_gap(gap, row, known) for gap in gaps)])
        if row["estimate"] is not None
        else row
        for row in rows
    ]


def _weigh_gap(gap: Gap, row: Row, known: Mapping[tuple[str, str, str], Row]) -> Finding:
    in_part = f"{gap.control} is adjusted for in part: {gap}"
    advice = "raise effects.max_levels, or group them"
    one = known.get((gap.name, row["attribute"], row["contrast"]))
    if one is None:
        return "weak", f"{in_part}; {advice}"
    width, by, error = row["ci_high"] - row["ci_low"], one["by"], one["std_error"]
    told = (
        f"told apart in {one['n']:,} reviews, they move it by {tell_signed(by)} ± {Z * error:.2g}"
    )
    standing, verdict = judge_move(by, error, width)
    if standing == "moves":
        return verdict, f"{in_part}; {told}, and its interval is {width:.2g} wide; {advice}"
    if standing == "open":
        return verdict, f"{in_part}; {told}, too little known beside its interval; {advice}"
    beyond = f"{gap.control}: its levels beyond the {gap.columns} largest, told apart in {one['n']:,} reviews"
    return verdict, f"{beyond}, change little ({tell_signed(by)} ± {Z * error:.2g})"


def _compare(
    panel: pl.DataFrame, basis: Basis, names: Sequence[str], outcome: str, codes: IntArray
) -> tuple[FloatArray, FloatArray]:
    """What constants for the levels in `codes` (n,) move each of m effects by (m,), and by user (G, m)."""
    sides = np.column_stack([read_numbers(panel[name]) for name in (*names, outcome)])
    plain = np.column_stack([basis.transform(panel), sides])
    place = np.unique(codes, return_inverse=True)[1]
    plain_effects, plain_weights, _ = _fit(plain - plain.mean(axis=0), len(names))
    effects, weights, left = _fit(centre_within(plain, place), len(names))
    width = plain.shape[1] + int(place.max())
    moved = (weights - plain_weights) * left[:, None] * np.sqrt(len(left) / (len(left) - width))
    users = factorise(panel["user_id"])[0]
    pull: FloatArray = np.stack([np.bincount(users, one) for one in moved.T], axis=1)
    return effects - plain_effects, pull


def _fit(columns: FloatArray, count: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Effects (m,) of the `count` columns before the last on it, given those before.

    With the weights (n, m) by which they are sums of the outcome, and what they leave of it (n,).
    """
    left = take_out(columns[:, : -count - 1], columns[:, -count - 1 :])
    d, y = left[:, :-1], left[:, -1]
    weights: FloatArray = d @ np.linalg.pinv(d.T @ d, rcond=1e-9, hermitian=True)
    effects: FloatArray = weights.T @ y
    return effects, weights, y - d @ effects
