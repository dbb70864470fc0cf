"""Figures of a drop beside the same figures of the days before it: what is unusual, and by how much.

A figure is judged by what it was on earlier days, never by a fixed idea of a good day: sources where
half of the texts are empty, or where every user is new, are as usual to themselves. Limits lie
outside of what earlier days had (the oddest tenth of them aside, so that one bad day that got in does
not hide the next) and at least five spreads from their median. Checks that stop a drop have a second
condition: what they look for must be far from anything that this source ever delivered.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from math import inf, log, sqrt
from statistics import median
from typing import Any, Final

from expectations.inputs import Compared

MIN_DAYS: Final = 7
MIN_ROWS: Final = 50
"""Of fewer rows shares say little; such days are neither judged nor compared with."""
SPREADS: Final = 5.0
MARGIN: Final = 0.05
"""A share is not called unusual for less than this beyond what was seen."""
MIN_IDS: Final = 20
"""Fewer ids in the sample say little about the share of known ones."""
MAX_PSI: Final = 0.2
"""Population stability index: a shift above .2 is commonly called significant (Siddiqi 2006)."""
_MAD_TO_SD: Final = 1.4826  # of a normal distribution
_NO_SAMPLE: Final = "of earlier days, which had far fewer ids, none is in the sample"

Profile = Mapping[str, Any]


def compare_days(today: Profile, earlier: Sequence[Profile]) -> dict[str, Compared]:
    """Figures of `today` by the name of their check; empty where there is nothing to compare.

    Profiles are those of `tasks.ingest.profile`. Needs MIN_DAYS days of MIN_ROWS rows, and as many
    rows today.
    """
    past = [day for day in earlier if day.get("n_rows", 0) >= MIN_ROWS]
    if today.get("n_rows", 0) < MIN_ROWS or len(past) < MIN_DAYS:
        return {}
    found = _compare_dates(today, past) | _compare_ids(today, past)
    found["hours_as_usual"] = _compare_overlap(
        today, past, "hours", "n_rows", "the hours of the day"
    )
    if "ratings" in today:
        past = [day for day in past if "ratings" in day]
        found |= _compare_ratings(today, past) | _compare_texts(today, past)
    return found


def _compare_dates(today: Profile, past: Sequence[Profile]) -> dict[str, Compared]:
    values = [_share(day, "n_own_day") for day in past]
    return {
        "dated_on_day": _below(
            _share(today, "n_own_day"), values, 0.05, "dated as the drop", min_usual=0.5
        ),
        "dated_as_usual": _unusual(
            today, _share(today, "n_own_day"), values, "dated as the drop", is_low=True
        ),
    }


def _compare_ids(today: Profile, past: Sequence[Profile]) -> dict[str, Compared]:
    found, full = {}, today["n_ids"]
    keys, key_values, _ = share_known(today["keys"], [day["keys"] for day in past], full=full)
    found["rows_new"] = (
        _above(keys, key_values, 0.9, "delivered by earlier drops", max_usual=0.85)
        if key_values
        else Compared(skip_reason=_NO_SAMPLE)
    )
    for name, noun in (("users", "users"), ("items", "items")):
        value, values, n_ids = share_known(today[name], [day[name] for day in past], full=full)
        few = f"fewer than {MIN_IDS} {noun} to compare" if n_ids < MIN_IDS else ""
        reason = few or ("" if values else _NO_SAMPLE)
        found[f"{name}_known"] = (
            Compared(skip_reason=reason)
            if reason
            else _judge_share(value, values, n_ids, f"of the {noun} known", is_low=True)
        )
    crossed = [day["items"] for day in past]
    value, _, n_ids = share_known(today["users"], crossed, full=full)
    usual = [
        share_known(day["users"], crossed[:own] + crossed[own + 1 :], full=full)[0]
        for own, day in enumerate(past)
    ]
    found["ids_swapped"] = _above(
        value if n_ids else 0.0, usual, 0.5, "of the users known as items", max_usual=0.05
    )
    return found


def _compare_ratings(today: Profile, past: Sequence[Profile]) -> dict[str, Compared]:
    tops = [max(day["ratings"].values()) / day["n_rows"] for day in past]
    top = max(today["ratings"].values()) / today["n_rows"]
    counts: Counter[str] = Counter()
    for day in past:
        counts.update(day["ratings"])
    others = [
        measure_psi(
            day["ratings"], {star: counts[star] - day["ratings"].get(star, 0) for star in counts}
        )
        for day in past
    ]
    index = measure_psi(today["ratings"], counts)
    # n times the index follows a chi square of 4 degrees: 20 is exceeded once in 2,000 clean days
    high = max(MAX_PSI, 1.5 * _far_end(others)) + 20 / today["n_rows"]
    return {
        "ratings_differ": _above(top, tops, 0.995, "of ratings the same", max_usual=0.9),
        "ratings_as_usual": Compared(
            value=index,
            high=high,
            observed=f"stability index {index:.2f}: {_tell_stars(today['ratings'])}",
            allowed=f"an index of at most {high:.2f}; usual is {_tell_stars(counts)}",
        ),
    }


def _compare_texts(today: Profile, past: Sequence[Profile]) -> dict[str, Compared]:
    shares = {
        name: (_share(today, name), [_share(day, name) for day in past])
        for name in ("n_top_user", "n_top_item", "n_top_text", "n_empty", "n_garbled")
    }
    return {
        "one_user": _above(*shares["n_top_user"], 0.9, "by one user", max_usual=0.5),
        "texts_there": _above(*shares["n_empty"], 0.99, "without a text", max_usual=0.5),
        "top_user_as_usual": _unusual(today, *shares["n_top_user"], "by one user"),
        "top_item_as_usual": _unusual(today, *shares["n_top_item"], "of one item"),
        "top_text_as_usual": _unusual(today, *shares["n_top_text"], "with one and the same text"),
        "empty_as_usual": _unusual(today, *shares["n_empty"], "without a text"),
        "garbled_as_usual": _unusual(today, *shares["n_garbled"], "with garbled letters"),
        "words_as_usual": _compare_overlap(today, past, "words", "n_words", "frequent words"),
    }


def share_known(
    ids: Sequence[int], earlier: Sequence[Sequence[int]], *, full: int
) -> tuple[float, list[float], int]:
    """Share of `ids` that earlier days had; that of each earlier day among the others; ids compared.

    Lists hold the `full` smallest hashes of a day, ascending, or all if fewer. Those below the
    smallest end of a full list are a random sample of every day's ids, the same ids on each (a coordinated sample), so that
    shares among them are unbiased.
    """
    end = min((each[-1] for each in (ids, *earlier) if len(each) >= full), default=inf)
    days = [[each for each in day if each <= end] for day in earlier]
    seen = Counter(each for day in days for each in set(day))
    mine = [each for each in ids if each <= end]
    return (
        _mean([each in seen for each in mine]),
        [_mean([seen[each] > 1 for each in day]) for day in days if day],
        len(mine),
    )


def measure_psi(counts: Mapping[str, int], usual: Mapping[str, int]) -> float:
    """Population stability index of two counts by group: sum of (p - q) log(p / q), 0 if alike.

    Half a row is added to each group, so that an empty one has a logarithm.
    """
    names = counts.keys() | usual.keys()
    n, m = (sum(each.values()) + len(names) / 2 for each in (counts, usual))
    pairs = [((counts.get(k, 0) + 0.5) / n, (usual.get(k, 0) + 0.5) / m) for k in sorted(names)]
    return sum((p - q) * log(p / q) for p, q in pairs)


def measure_overlap(counts: Mapping[str, int], n: int, usual: Mapping[str, int], m: int) -> float:
    """The part in [0, 1] that two distributions have in common: sum of min(p, q)."""
    if not n or not m:
        return 0.0
    return sum(min(count / n, usual.get(name, 0) / m) for name, count in counts.items())


def _compare_overlap(
    today: Profile, past: Sequence[Profile], name: str, total: str, noun: str
) -> Compared:
    counts: Counter[str] = Counter()
    for day in past:
        counts.update(day[name])
    n = sum(day[total] for day in past)
    values = [
        measure_overlap(
            day[name],
            day[total],
            {each: counts[each] - day[name].get(each, 0) for each in counts},
            n - day[total],
        )
        for day in past
    ]
    value = measure_overlap(today[name], today[total], counts, n)
    if median(values) < 2 * MARGIN or today[total] < MIN_ROWS:
        return Compared(skip_reason=f"{noun} have too little in common from day to day, or are few")
    return _judge_share(value, values, today["n_rows"], f"in common in {noun}", is_low=True)


def _unusual(
    today: Profile, value: float, values: Sequence[float], words: str, *, is_low: bool = False
) -> Compared:
    return _judge_share(value, values, today["n_rows"], words, is_low=is_low)


def _judge_share(
    value: float, values: Sequence[float], n: int, words: str, *, is_low: bool = False
) -> Compared:
    """A share beside its usual range; `n` is what it is a share of, `is_low` asks for the lower end."""
    center = median(values)
    noise = sqrt(max(center * (1 - center), 1 / n) / n)
    spread = max(_MAD_TO_SD * median(abs(each - center) for each in values), noise)
    usual = f"usual is {center:.1%} (median of {len(values)} earlier days)"
    if is_low:
        low = max(0.0, min(-_far_end([-v for v in values]), center - SPREADS * spread) - MARGIN)
        allowed = f"at least {low:.1%}; {usual}"
        return Compared(value=value, low=low, observed=f"{value:.1%} {words}", allowed=allowed)
    high = max(_far_end(values), center + SPREADS * spread) + MARGIN
    allowed = f"at most {min(high, 1.0):.1%}; {usual}"
    return Compared(value=value, high=high, observed=f"{value:.1%} {words}", allowed=allowed)


def _above(
    value: float, values: Sequence[float], high: float, words: str, *, max_usual: float
) -> Compared:
    """A share that stops the drop above `high`, where it never was above `max_usual`."""
    if max(values) > max_usual:
        return Compared(skip_reason=f"earlier days had up to {max(values):.0%} {words}")
    allowed = f"at most {high:.1%}; earlier days had at most {max(values):.1%}"
    return Compared(value=value, high=high, observed=f"{value:.1%} {words}", allowed=allowed)


def _below(
    value: float, values: Sequence[float], low: float, words: str, *, min_usual: float
) -> Compared:
    """A share that stops the drop below `low`, where it never was below `min_usual`."""
    if min(values) < min_usual:
        return Compared(skip_reason=f"earlier days had as few as {min(values):.0%} {words}")
    allowed = f"at least {low:.1%}; earlier days had at least {min(values):.1%}"
    return Compared(value=value, low=low, observed=f"{value:.1%} {words}", allowed=allowed)


def _far_end(values: Sequence[float]) -> float:
    """The largest value, the largest tenth aside."""
    return sorted(values)[len(values) - 1 - len(values) // 10]


def _share(day: Profile, name: str) -> float:
    return float(day[name] / day["n_rows"])


def _mean(flags: Sequence[bool]) -> float:
    return sum(flags) / len(flags) if flags else 0.0


def _tell_stars(counts: Mapping[str, int]) -> str:
    total = sum(counts.values())
    return ", ".join(f"{star}★ {counts[star] / total:.0%}" for star in sorted(counts))
