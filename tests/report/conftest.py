"""A night as it really looks: four sources, a gate that warned, effects with a known truth."""

from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest

from tasks.report.model import NightReport

AS_OF = date(2024, 3, 14)
SHARES = {"negative_to_positive": 1.0, "negative": -0.6, "positive": 0.4}

# attribute: (true effect from complaint to praise, naive difference, verdict)
SAMPLE_EFFECTS: dict[str, tuple[float, float, str]] = {
    "durability": (1.30, 2.05, "credible"),
    "sound_quality": (1.05, 1.74, "credible"),
    "ease_of_use": (0.62, 1.31, "credible"),
    "value": (0.48, 1.52, "credible"),
    "price": (0.21, 1.12, "credible"),
    "shipping": (0.10, 0.88, "weak"),
    "size_fit": (0.34, 0.97, "not credible"),
    "quality": (0.90, 1.60, "no result"),
}
VOICES: dict[str, list[tuple[str, str, int, float]]] = {
    "durability": [
        ("After two weeks of normal use the strap broke clean through, right at the buckle. "
         "I had bought it for my brother, who plays every weekend.", "the strap broke", -1, 2.0),
        ("The knob fell apart in my hand.", "fell apart", -1, 1.0),
        ("Three years on the road and this stand is as sturdy as on the first day.",
         "as sturdy as on the first day", 1, 5.0),
    ],
    "sound_quality": [
        ("Warm, clear tone, even with the gain all the way up.", "clear tone", 1, 5.0),
        ("There is a constant hiss and the low notes sound muddy.", "sound muddy", -1, 2.0),
    ],
    "ease_of_use": [
        ("Set-up took one minute, the buttons explain themselves.", "took one minute", 1, 4.0),
        ("I still cannot make sense of the instructions <script>alert(1)</script>",
         "cannot make sense of the instructions", -1, 3.0),
    ],
    "shipping": [("Arrived a week late in a torn box.", "Arrived a week late", -1, 3.0)],
    "price": [("Half of what the shop around the corner asks.", "Half of what the shop", 1, 5.0)],
}  # fmt: skip


def make_effects(
    *, source: str = "sample", window: str = "all", seed: int = 7, shift: float = 0.0
) -> list[dict[str, Any]]:
    """Effects of every contrast around the known truth; `shift` moves durability."""
    rng = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    for attribute, (truth, naive, verdict) in SAMPLE_EFFECTS.items():
        for contrast, share in SHARES.items():
            error = 0.035 if window == "all" else 0.09
            estimate: float | None = truth * share + rng.normal(0, error / 2)
            if attribute == "durability":
                estimate = (estimate or 0.0) + shift
            is_known = verdict != "no result"
            estimate = estimate if is_known else None
            rows.append(
                {
                    "source": source, "window": window, "outcome": "rating",
                    "window_start": AS_OF - timedelta(days=27 if window == "28d" else 400),
                    "window_end": AS_OF, "attribute": attribute, "contrast": contrast,
                    "estimator": "plr", "estimate": estimate,
                    "std_error": error if is_known else None,
                    "ci_low": estimate - 1.96 * error if estimate is not None else None,
                    "ci_high": estimate + 1.96 * error if estimate is not None else None,
                    "naive": naive * share, "naive_ci_low": naive * share - 0.06,
                    "naive_ci_high": naive * share + 0.06, "n": 10_261,
                    "n_positive": 651 if is_known else 19, "n_negative": 412 if is_known else 11,
                    "verdict": verdict,
                    "reasons": REASONS.get(verdict, []),
                }
            )  # fmt: skip
    return rows


REASONS = {
    "weak": ["the interval holds zero after control for multiple testing"],
    "not credible": ["the placebo treatment has an effect too (p = 0.003)",
                     "overlap: only 31 reviews are comparable"],
    "no result": ["11 complaints, at least 30 are needed"],
}  # fmt: skip


def make_night(**changes: Any) -> NightReport:
    """The night of 14 March 2024; any field of the report can be replaced."""
    fields: dict[str, Any] = {
        "as_of": AS_OF,
        "previous_as_of": AS_OF - timedelta(days=1),
        "reproducibility": {
            "run_id": "0190f3e2-night-2024-03-14", "snapshot_read": 117,
            "snapshot_published": 118, "settings_hash": "5f1c2a97d0e4", "code_hash": "b81d3c6e22af",
            "versions": {"python": "3.11.9", "whyrec": "0.1.0", "duckdb": "1.5.5"},
            "seeds": {"effects": 20240314},
        },
        "drops": make_drops(),
        "quarantine": [
            {"source": "sample", "table_name": "reviews", "drop_id": "2024-03-14",
             "file": "2024-03-14/reviews.jsonl.gz", "line": 118, "reason": "rating 11 is above 5",
             "raw_text": '{"user": "u12", "rating": 11, "text": "<b>best</b> \x00 ever"}'},
            {"source": "sample", "table_name": "reviews", "drop_id": "2024-03-14",
             "file": "2024-03-14/reviews.jsonl.gz", "line": 402, "reason": "not valid JSON",
             "raw_text": '{"user": "u99", "rating": 4, "text": "cut off in mid'},
        ],
        "freshness": [
            {"source": "sample", "newest_drop": AS_OF, "max_age_days": 2},
            {"source": "finefood", "newest_drop": AS_OF - timedelta(days=1), "max_age_days": 2},
            {"source": "musical", "newest_drop": AS_OF, "max_age_days": None},
        ],
        "checks": make_checks(),
        "effects": [*make_effects(), *make_effects(window="28d", seed=8)],
        "previous_effects": make_previous(),
        "moved": make_moved(),
        "usual": make_usual(),
        "positions": make_positions(),
        "refutations": make_refutations(),
        "segments": make_segments(),
        "trends": make_trends(),
        "graphs": [make_graph()],
        "truth": [
            {"source": "sample", "attribute": name, "value": truth}
            for name, (truth, _, _) in SAMPLE_EFFECTS.items()
        ],
        "attributes": make_attributes(),
        "tasks": make_tasks(),
        "text_cost": {"n_texts": 1_843, "n_distinct": 1_790, "n_new": 214, "n_cached": 1_576,
                      "n_cut": 3, "model": "all-MiniLM-L6-v2", "device": "cpu", "seconds": 4.2,
                      "probes": {"sample": {"teacher": "clauses-1", "n_labelled": 800, "n_random": 400,
                                            "agreement": 0.9387, "coverage": 0.952,
                                            "sure_agreement": 0.956}}},
        "labels": {"size_fit": "size and fit"},
    }  # fmt: skip
    return NightReport.model_validate({**fields, **changes})


def make_refutations(*, source: str = "sample", window: str = "all") -> list[dict[str, Any]]:
    """Every refuter on every headline effect: size_fit fails the placebo, shipping is not stable."""
    rows = []
    for attribute, (truth, _, verdict) in SAMPLE_EFFECTS.items():
        head = {"source": source, "window": window, "attribute": attribute, "estimate": truth}
        if verdict == "no result":
            continue
        for refuter in ("placebo", "random_cause", "subset", "time"):
            rows.append({**head, "refuter": refuter, "result": "passed", "refuted": 0.004,
                         "ci_low": -0.031, "ci_high": 0.039, "p_value": 0.82})  # fmt: skip
        rows.append({**head, "refuter": "negative_control", "result": "not applicable",
                     "note": "no negative control is configured"})  # fmt: skip
        rows.append({**head, "refuter": "sensitivity", "result": "passed", "refuted": truth - 0.15,
                     "reason": f"an unobserved confounder as strong as item rating would leave at "
                               f"least {truth - 0.15:+.2f}"})  # fmt: skip
    for attribute, refuter, result, reason in (
        ("size_fit", "placebo", "failed", "treatments dealt out at random still move the outcome"),
        ("shipping", "subset", "weak", "not stable: +0.02 in the one half, +0.19 in the other"),
    ):
        for row in rows:
            if (row["attribute"], row["refuter"]) == (attribute, refuter):
                row |= {"result": result, "reason": reason}
    return rows


def make_segments(*, q_durability: float | None = 0.01) -> list[dict[str, Any]]:
    """Two attributes by category; durability differs unless told otherwise, price does not."""
    rows = []
    for attribute, q_value, shift in (("durability", q_durability, 0.4), ("price", 0.62, 0.01)):
        center = SAMPLE_EFFECTS[attribute][0]
        for place, level in enumerate(("Guitars", "Drums", "(other)")):
            value = center + (place - 1) * shift
            rows.append({"source": "sample", "window": "all", "segment": "c__category",
                         "attribute": attribute, "level": level, "n": 3_000 + place,
                         "estimate": value, "ci_low": value - 0.2, "ci_high": value + 0.2,
                         "p_value": q_value / 2 if q_value is not None else None,
                         "q_value": q_value})  # fmt: skip
        rows.append({**rows[-1], "level": "Harps", "n": 31, "estimate": None, "ci_low": None,
                     "ci_high": None, "reason": "fewer than 10 mentions on a side"})  # fmt: skip
    return rows


def make_trends(*, weeks: int = 5) -> list[dict[str, Any]]:
    """Weekly effects up to the night; shipping has a gap, quality has nothing."""
    rows = []
    for attribute, (truth, _, verdict) in SAMPLE_EFFECTS.items():
        for week in range(weeks):
            start = AS_OF - timedelta(days=7 * (weeks - week) - 1)
            is_silent = verdict == "no result" or (attribute == "shipping" and week == 2)
            value = None if is_silent else truth + 0.03 * (week - 2)
            rows.append({"source": "sample", "attribute": attribute, "start": start,
                         "end": start + timedelta(days=6), "n": 1_800 + week, "estimate": value,
                         "ci_low": None if value is None else value - 0.11,
                         "ci_high": None if value is None else value + 0.11})  # fmt: skip
    return rows


def make_positions() -> list[dict[str, Any]]:
    """Standing lower costs clicks; the twelfth position has too few exposures."""
    rows = []
    for place in (12, 3, 2):
        value = None if place == 12 else -0.02 * place
        rows.append({"source": "sample", "window": "28d", "attribute": f"position {place}",
                     "contrast": "against position 1", "estimate": value,
                     "ci_low": None if value is None else value - 0.011,
                     "ci_high": None if value is None else value + 0.011,
                     "naive": -0.031 * place, "naive_ci_low": -0.031 * place - 0.009,
                     "naive_ci_high": -0.031 * place + 0.009, "n": 4_321,
                     "verdict": "no result" if value is None else "credible",
                     "reasons": ["causal only if nothing else decided the place"]})  # fmt: skip
    return rows


SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" class="chart" role="img" viewBox="0 0 90 40" '
    'width="90"><title>{}</title><rect x="1" y="1" width="40" height="20" '
    'fill="var(--paper, #fff)"/><g><title>brand</title><text x="5" y="15">brand</text></g></svg>\n'
)


def make_graph(**changes: Any) -> dict[str, Any]:
    """Brand causes price and rating; one more edge was only suggested."""
    edge = {"kind": "directed", "ends": "-->", "stability": 0.94, "origin": "data"}
    graph = {
        "source": "sample", "method": "pc", "n": 2_000,
        "svg_wide": SVG.format("wide graph"), "svg_narrow": SVG.format("narrow graph"),
        "edges": [
            {**edge, "source": "brand", "target": "price"},
            {**edge, "source": "brand", "target": "rating", "origin": "both"},
            {**edge, "source": "mood", "target": "rating", "origin": "prior", "stability": None},
        ],
        "adjustments": [
            {"treatment": "price", "outcome": "rating", "is_identified": True,
             "adjust_for": ["brand"], "reason": "it closes every back door"},
            {"treatment": "mood", "outcome": "rating", "is_identified": False, "adjust_for": [],
             "reason": "mood and rating may share a hidden cause"},
        ],
        "notes": ["5,000 rows were drawn at random"],
    }  # fmt: skip
    return {**graph, **changes}


def make_drops() -> list[dict[str, Any]]:
    """Four drops whose rows add up, one of them late and with a new column."""
    return [
        {"source": "sample", "table": "reviews", "drop_id": "2024-03-14", "rows_read": 1_240,
         "rows_published": 1_196, "rows_quarantined": 12, "rows_duplicate": 32,
         "reasons": {"rating outside 1 to 5": 9, "not valid JSON": 3}, "status": "published"},
        {"source": "sample", "table": "items", "drop_id": "2024-03-14", "rows_read": 80,
         "rows_published": 80, "status": "published"},
        {"source": "musical", "table": "reviews", "drop_id": "2024-03-14", "rows_read": 310,
         "rows_published": 310, "drift": ["column style is new"],
         "status": "published"},
        {"source": "finefood", "table": "reviews", "drop_id": "2024-03-13", "rows_read": 213,
         "rows_published": 213, "status": "published"},
    ]  # fmt: skip


def make_checks() -> list[dict[str, Any]]:
    """One warning among checks that passed."""
    passed = [
        ("user_id is never empty", "user_id"), ("rating lies in 1 to 5", "rating"),
        ("review_id is unique", "review_id"), ("event_date is the drop's date", "event_date"),
    ]  # fmt: skip
    return [
        {"table": "reviews", "source": "sample", "drop_id": "2024-03-14", "expectation": name,
         "column": column, "severity": "critical", "is_success": True, "observed": "none at fault",
         "allowed": "0 rows", "n_unexpected": 0, "n_rows": 1_196, "examples": [],
         "breaks": "Effects would count some reviews twice."}
        for name, column in passed
    ] + [
        {"table": "reviews", "source": "musical", "drop_id": "2024-03-14",
         "expectation": "rows are as many as usual", "column": None, "severity": "warning",
         "is_success": False, "observed": "310 rows", "allowed": "360 to 1,400 rows",
         "n_unexpected": None, "n_rows": 310, "examples": [],
         "breaks": "Fewer reviews widen every interval."},
    ]  # fmt: skip


def make_previous() -> list[dict[str, Any]]:
    """Effects of the night before: durability was lower, shipping was credible."""
    rows = [*make_effects(seed=9, shift=-0.25), *make_effects(window="28d", seed=8)]
    for row in rows:
        if row["attribute"] == "shipping" and row["window"] == "all":
            row["verdict"] = "credible"
    return rows


def make_moved() -> list[dict[str, Any]]:
    """Changes with intervals of their own: durability moved for real, all else within chance."""
    before = {(r["attribute"], r["window"]): r for r in make_previous()
              if r["contrast"] == "negative_to_positive"}  # fmt: skip
    rows = []
    for row in [*make_effects(), *make_effects(window="28d", seed=8)]:
        old = before[row["attribute"], row["window"]]["estimate"]
        if row["contrast"] != "negative_to_positive" or row["estimate"] is None:
            continue
        change = row["estimate"] - old
        is_real = row["attribute"] == "durability" and row["window"] == "all"
        error = abs(change) / 8 if is_real else abs(change) + 0.004
        rows.append({"source": "sample", "window": row["window"], "attribute": row["attribute"],
                     "contrast": row["contrast"], "recomputed": old, "change": change,
                     "std_error": error, "ci_low": change - 2 * error, "ci_high": change + 2 * error,
                     "p_value": 1e-9 if is_real else 0.4, "q_value": 1e-8 if is_real else 0.6,
                     "n_gained": 310, "n_lost": 12 if row["window"] == "28d" else 0,
                     "mentions_gained": 14})  # fmt: skip
    return rows


def make_usual() -> list[dict[str, Any]]:
    """The last drops: sample as tonight, musical larger than tonight, coat now and then."""
    names = ("source", "table_name", "n_drops", "n_days", "longest_gap", "rows_low", "rows_median",
             "rows_high")  # fmt: skip
    rows = (("sample", "reviews", 28, 28, 1, 1_050, 1_180.0, 1_310),
            ("sample", "items", 28, 28, 1, 60, 80.0, 95),
            ("musical", "reviews", 28, 28, 1, 360, 900.0, 1_400),
            ("coat", "reviews", 9, 30, 6, 10, 12.0, 14))  # fmt: skip
    more = {"refused_median": 0.01, "newest": AS_OF - timedelta(days=1)}
    return [{**dict(zip(names, row, strict=True)), **more} for row in rows]


def make_silent(**changes: Any) -> list[dict[str, Any]]:
    """The last drops, where coat came every day and not tonight."""
    daily = {"n_drops": 28, "n_days": 28, "longest_gap": 1, **changes}
    return [{**row, **(daily if row["source"] == "coat" else {})} for row in make_usual()]


def make_attributes() -> list[dict[str, Any]]:
    """Mentions and sentences of a handful of attributes."""
    rows = []
    for place, (attribute, voices) in enumerate(VOICES.items()):
        examples = [
            {"review_id": f"{place}{index}c0ffee{'ab12' * 6}", "text": text,
             "start": text.index(span), "end": text.index(span) + len(span), "polarity": polarity,
             "rating": rating}
            for index, (text, span, polarity, rating) in enumerate(voices)
        ]  # fmt: skip
        rows.append(
            {"source": "sample", "attribute": attribute, "n_mentioned": 1_063 - 40 * place,
             "n_positive": 651, "n_negative": 412 - 40 * place, "examples": examples}
        )  # fmt: skip
    return rows


def make_tasks() -> list[dict[str, Any]]:
    """A night in which most came from the cache and one task was retried."""
    ran = [
        ("ingest", "sample 2024-03-14", "ran", 0.81, 1_240),
        ("quality", "sample", "ran", 0.55, 1_196),
        ("ingest", "musical 2024-03-14", "retried", 1.32, 310),
        ("text", "shard 1", "ran", 4.20, 214), ("text", "shard 2", "cached", None, 1_576),
        ("effects", "sample all", "ran", 0.34, 10_261),
        ("effects", "sample 28d", "ran", 0.12, 1_843),
    ]  # fmt: skip
    return [
        {"stage": stage, "name": name, "state": state, "seconds": seconds, "rows": rows,
         "message": "storage was busy, second attempt" if state == "retried" else ""}
        for stage, name, state, seconds, rows in ran
    ]  # fmt: skip


@pytest.fixture
def night() -> NightReport:
    """The full night."""
    return make_night()


@pytest.fixture
def empty_night() -> NightReport:
    """A night on which nothing arrived and nothing ran."""
    return NightReport.model_validate({"as_of": AS_OF, "reproducibility": {"run_id": "empty"}})


@pytest.fixture
def held_night() -> NightReport:
    """A night on which the gate stopped one of four drops."""
    drops = make_drops()
    drops[2] |= {"status": "stopped by gate", "message": "1 critical check failed"}
    failed = {
        "table": "reviews", "source": "musical", "drop_id": "2024-03-14",
        "expectation": "rating lies in 1 to 5", "column": "rating", "severity": "critical",
        "is_success": False, "observed": "41 of 310 rows at fault", "allowed": "0 rows",
        "n_unexpected": 41, "n_rows": 310, "examples": ["reviews.jsonl line 7: rating 0"],
        "breaks": "Every effect of this source would be pulled towards zero.",
        "advice": "Ask the source for a corrected drop.",
    }  # fmt: skip
    return make_night(drops=drops, checks=[failed, *make_checks()])
