"""How good predictions and rankings are: errors, ranking, calibration, coverage, groups."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.recommend.data import Codes, Floats, Ratings

Flags = npt.NDArray[np.bool_]
N_BINS = 10


def score(
    found: Floats, test: Ratings, *, relevant: float, top_k: int, ranked: Floats | None = None
) -> dict[str, float | None]:
    """MSE, MAE, AUC, NDCG and recall at `top_k`, calibration; None where there is no result.

    Order is judged by `ranked` (n,) where it is given: predictions cut to the scale lose it there.
    """
    error = found - test.ratings
    is_relevant = test.ratings >= relevant
    order = found if ranked is None else ranked
    ndcg, recall = rank_users(order, is_relevant, test.users, test.items, top_k=top_k)
    return {
        "mse": float(np.mean(error**2)),
        "mae": float(np.mean(np.abs(error))),
        "auc": find_auc(order, is_relevant),
        f"ndcg_at_{top_k}": ndcg,
        f"recall_at_{top_k}": recall,
        "bias": float(np.mean(error)),
        "calibration_error": find_calibration_error(found, test.ratings),
    }


def spread(values: Sequence[float | None]) -> dict[str, float | None] | None:
    """Mean and standard deviation, which a single value has not; None where a value is missing."""
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return None
    sd = float(np.std(known, ddof=1)) if len(known) > 1 else None
    return {"mean": float(np.mean(known)), "sd": sd}


def score_lists(
    found: Floats,
    ranked: Floats,
    listed: Codes,
    *,
    train: Ratings,
    test: Ratings,
    relevant: float,
    top_k: int,
) -> dict[str, float | None]:
    """Figures of `score`, and what the `listed` items of all lists show of those rated in `train`."""
    counts = np.bincount(train.items, minlength=train.shape[1]).astype(np.float64)
    return {
        **score(found, test, relevant=relevant, top_k=top_k, ranked=ranked),
        **describe_exposure(listed, counts),
    }


def find_auc(found: Floats, is_relevant: Flags) -> float | None:
    """Chance that a relevant pair is ranked above another one; ties count half."""
    from scipy.stats import rankdata

    n_good = int(is_relevant.sum())
    n_bad = len(is_relevant) - n_good
    if not n_good or not n_bad:
        return None
    ranks = rankdata(found)[is_relevant].sum()
    return float((ranks - n_good * (n_good + 1) / 2) / (n_good * n_bad))


def rank_users(
    found: Floats, is_relevant: Flags, users: Codes, items: Codes, *, top_k: int
) -> tuple[float | None, float | None]:
    """Mean NDCG and recall at `top_k` over users with a relevant pair.

    An item takes one place however many rows show it to the user; its gain is the share of them that
    are relevant. Items predicted alike share their places evenly, as ties do in AUC: the expectation
    over their orders (McSherry & Najork 2008, https://doi.org/10.1007/978-3-540-78646-7_38).
    """
    if not is_relevant.any():
        return None, None
    owners, counts, gains, values = _gather_pairs(found, is_relevant, users, items)
    discounts = 1 / np.log2(np.arange(2, top_k + 2))
    ndcgs, recalls = [], []
    bounds = np.append(np.flatnonzero(np.diff(owners, prepend=-1)), len(owners))
    for start, end in pairwise(bounds):
        own, weight, value = gains[start:end], counts[start:end], values[start:end]
        hits = own * weight
        if not hits.any():
            continue
        best = np.sort(own)[::-1][:top_k]
        shown = _share_ties(np.column_stack([own, hits]), value)[:top_k]
        ndcgs.append(float(shown[:, 0] @ discounts[: len(shown)] / (best @ discounts[: len(best)])))
        recalls.append(float(shown[:, 1].sum() / hits.sum()))
    return float(np.mean(ndcgs)), float(np.mean(recalls))


def _gather_pairs(
    found: Floats, is_relevant: Flags, users: Codes, items: Codes
) -> tuple[Codes, Codes, Floats, Floats]:
    """One row per user and item, sorted by user and then by prediction, best first."""
    order = np.lexsort((items, users))
    is_first = np.diff(users[order], prepend=-1).astype(bool)
    is_first |= np.diff(items[order], prepend=-1).astype(bool)
    starts = np.flatnonzero(is_first)
    counts = np.diff(np.append(starts, len(order)))
    gains = np.add.reduceat(is_relevant[order].astype(np.float64), starts) / counts
    values = found[order][starts]
    owners = users[order][starts]
    best = np.lexsort((-values, owners))
    return owners[best], counts[best], gains[best], values[best]


def _share_ties(columns: Floats, values: Floats) -> Floats:
    """`columns` (n, c), sorted by `values`, with every run of equal values at its mean."""
    starts = np.flatnonzero(np.diff(values, prepend=np.nan) != 0)
    sizes = np.diff(np.append(starts, len(values)))
    return np.repeat(np.add.reduceat(columns, starts) / sizes[:, None], sizes, axis=0)


def find_calibration_error(found: Floats, actual: Floats) -> float:
    """Mean distance of mean prediction and mean rating over tenths of the predictions.

    Expected calibration error with bins of equal size (Naeini et al. 2015,
    https://doi.org/10.1609/aaai.v29i1.9602), here of ratings, in rating points. Pairs that are predicted
    alike count with their mean rating: else the order of the file would say what their bins hold.
    """
    order = np.argsort(found, kind="stable")
    actual, found = _share_ties(actual[order, None], found[order])[:, 0], found[order]
    bins = [part for part in np.array_split(np.arange(len(found)), N_BINS) if len(part)]
    gaps = [abs(float(found[part].mean() - actual[part].mean())) * len(part) for part in bins]
    return float(sum(gaps) / len(found))


def describe_exposure(listed: Codes, popularity: Floats) -> dict[str, float | None]:
    """What lists show of the catalogue: `listed` items of all of them, `popularity` ratings per item.

    `coverage`: share of items in any list. `gini`: inequality of how often items are listed, 0 for
    all alike. `popularity_lift`: mean popularity of listed items over that of rated ones in training;
    above 1 the lists favour what is already popular (Abdollahpouri et al. 2019,
    https://arxiv.org/abs/1907.13286). All None where nothing is listed.
    """
    if not listed.size:
        return {"coverage": None, "gini": None, "popularity_lift": None}
    counts = np.bincount(listed.ravel(), minlength=len(popularity)).astype(np.float64)
    ranks = np.arange(1, len(counts) + 1)
    total = max(counts.sum(), 1.0)
    gini = float((2 * ranks - len(counts) - 1) @ np.sort(counts) / (len(counts) * total))
    usual = float(popularity @ popularity / max(popularity.sum(), 1e-12))
    shown = float(counts @ popularity / total)
    return {
        "coverage": float((counts > 0).mean()),
        "gini": gini,
        "popularity_lift": shown / usual if usual > 0 else 1.0,
    }


def score_groups(
    found: Floats,
    test: Ratings,
    levels: Sequence[str],
    *,
    side: str,
    relevant: float,
    top_k: int,
    ranked: Floats | None = None,
) -> list[dict[str, float | str | None]]:
    """Error and, for groups of users, ranking quality per level; `levels` names every user's or item's.

    Equal error over groups is the "value" fairness of Yao & Huang 2017
    (https://arxiv.org/abs/1705.08804).
    """
    codes = test.users if side == "user" else test.items
    own = np.asarray(levels)[codes]
    rows: list[dict[str, float | str | None]] = []
    for level in sorted(set(levels)):
        mine = own == level
        if not mine.any():
            rows.append({"level": level, "n": 0, "mse": None, "bias": None, "ndcg": None})
            continue
        error = found[mine] - test.ratings[mine]
        ndcg = None
        if side == "user":
            good = test.ratings[mine] >= relevant
            order = found if ranked is None else ranked
            ndcg, _ = rank_users(order[mine], good, test.users[mine], test.items[mine], top_k=top_k)
        rows.append(
            {"level": level, "n": int(mine.sum()), "mse": float(np.mean(error**2)),
             "bias": float(np.mean(error)), "ndcg": ndcg}
        )  # fmt: skip
    return rows


def find_gap(rows: Sequence[Mapping[str, float | str | None]], figure: str) -> float | None:
    """Largest less smallest value of a figure over groups; None with fewer than two known."""
    known = [float(row[figure]) for row in rows if row[figure] is not None]  # type: ignore[arg-type]
    return max(known) - min(known) if len(known) > 1 else None


def describe_groups(
    found: Floats,
    test: Ratings,
    *,
    users: Mapping[str, Sequence[str]],
    items: Mapping[str, Sequence[str]],
    relevant: float,
    top_k: int,
    ranked: Floats | None = None,
) -> list[dict[str, Any]]:
    """Errors per level of every trait of users and items, and the largest gaps between levels.

    `users` and `items` name traits and give each user's, or item's, level.
    """
    answer = []
    for side, traits in (("user", users), ("item", items)):
        for trait, levels in traits.items():
            rows = score_groups(
                found, test, levels, side=side, relevant=relevant, top_k=top_k, ranked=ranked
            )
            gaps = {f"{figure}_gap": find_gap(rows, figure) for figure in ("mse", "ndcg")}
            answer.append({"trait": trait, "side": side, **gaps, "levels": rows})
    return answer
