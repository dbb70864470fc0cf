"""A night's effects, corrected by labels of some reviews.

`make_world` gives a panel of `rows` reviews by `users` users with `columns` controls that all move
the outcome and who mentions what, three attributes whose effects are `TRUTH`, and a reading that is
wrong in a fifth of the cells: then it is drawn anew, leaning towards the outcome where there is a halo.
Taken for the truth, the readings' effects shrink by about that share.
"""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tasks.effects import corrected
from tasks.effects import gold as gold_room
from tasks.effects.basis import Basis, fit_basis
from tasks.effects.choose import choose_labelled_periods
from tasks.effects.estimate import Method, Row, Window
from tasks.effects.gold import (
    LABEL,
    Labelled,
    correct_panel,
    find_labels,
    gather_reading,
    place_labels,
    read_gold,
    refuse_window,
    score_controls,
)
from tasks.effects.measured import Corrected, Table, correct_effects, table_moments
from tasks.effects.panel import panel_spec
from tasks.platform.errors import InputError
from tasks.platform.refs import PeriodRef
from tasks.platform.settings import Settings
from tasks.platform.site import resolve_site
from tasks.platform.task import RunContext

NAMES = ("food", "service", "noise")
TRUTH = np.array([[0.9, -0.7], [0.5, -0.6], [0.3, -0.4]])
CONTRAST = TRUTH[:, 0] - TRUTH[:, 1]
METHOD = Method(min_mentions=10)
DAY = date(2024, 3, 1)
WINDOW = Window("shop", "all", DAY, DAY)
WITHIN = 3.0
"""Standard errors: a right estimator leaves them once in 370 draws, and the seeds are fixed."""


@dataclass(frozen=True, eq=False)
class World:
    """A panel, its basis, what was read, and the true labels (n, 3)."""

    panel: pl.DataFrame
    basis: Basis
    mentions: pl.DataFrame
    labels: np.ndarray

    def label(self, rows: np.ndarray) -> pl.DataFrame:
        """Gold labels of some rows."""
        frame = {
            LABEL + name: self.labels[rows, a].astype(np.int64) for a, name in enumerate(NAMES)
        }
        return pl.DataFrame({"review_id": self.panel["review_id"].to_numpy()[rows], **frame})


def make_world(
    rng: np.random.Generator,
    *,
    rows: int = 2000,
    columns: int = 10,
    users: int = 500,
    halo: float = 0.0,
    wrong: float = 0.2,
) -> World:
    x = rng.standard_normal((rows, columns))
    to_outcome = rng.standard_normal(columns)
    to_outcome *= 0.8 / np.linalg.norm(to_outcome)
    own = rng.standard_normal((columns, 3))
    to_labels = 0.5 * to_outcome[:, None] + 0.4 * own / np.linalg.norm(own, axis=0)
    user = rng.integers(users, size=rows)
    mood, temper = rng.standard_normal(rows), 0.3 * rng.standard_normal(users)[user]
    lean = 0.8 * mood[:, None] + x @ to_labels + rng.standard_normal((rows, 3)) + temper[:, None]
    labels = np.where(rng.random((rows, 3)) < 0.45, 0, np.sign(lean)).astype(np.int8)
    outcome = 3 + x @ to_outcome + 0.8 * rng.standard_normal(rows)
    outcome += 0.3 * rng.standard_normal(users)[user]
    for a, (praise, blame) in enumerate(TRUTH):
        outcome += praise * (labels[:, a] == 1) + blame * (labels[:, a] == -1)
    is_wrong = rng.random((rows, 3)) < wrong
    tilt = halo * (outcome - outcome.mean())[:, None] + rng.standard_normal((rows, 3))
    guess = np.where(rng.random((rows, 3)) < 0.35, 0, np.sign(tilt))
    read = np.where(is_wrong, guess, labels).astype(np.int8)
    sure = np.where(is_wrong, 0.55, 0.75) + 0.15 * rng.standard_normal((rows, 3))
    panel = pl.DataFrame({
        "review_id": [f"r{n:05d}" for n in range(rows)],
        "user_id": [f"u{n}" for n in user],
        **{f"c__x{n}": x[:, n] for n in range(columns)},
        "rating": outcome,
    })  # fmt: skip
    mentions = pl.concat(
        panel.select("review_id").with_columns(
            attribute=pl.lit(name),
            polarity=pl.Series(read[:, a]),
            confidence=pl.Series(np.clip(sure[:, a], 0.05, 1)),
        ).filter(pl.col("polarity") != 0)
        for a, name in enumerate(NAMES)
    )  # fmt: skip
    spec = panel_spec(panel).straight()
    return World(panel, fit_basis(panel, spec), mentions, labels)


def correct(world: World, rows: np.ndarray, **changes: pl.DataFrame) -> list[Row]:
    given = {"panel": world.panel, "mentions": world.mentions, "gold": world.label(rows)} | changes
    return correct_panel(
        Labelled(**given), world.basis, window=WINDOW, attributes=NAMES, outcome="rating",
        n_buckets=40, method=METHOD,
    )  # fmt: skip


def draw(rng: np.random.Generator, world: World, count: int) -> np.ndarray:
    return np.sort(rng.choice(world.panel.height, count, replace=False))


@pytest.mark.parametrize("halo", [0.0, 1.0])
@pytest.mark.slow
def test_misreading_is_corrected_by_labels_of_a_random_tenth(halo: float) -> None:
    errors, scaled, plain = [], [], []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        world = make_world(rng, halo=halo, wrong=0.3)
        found = correct(world, draw(rng, world, 200))
        errors.append(np.array([row["estimate"] for row in found]) - CONTRAST)
        scaled.append(errors[-1] / np.array([row["std_error"] for row in found]))
        plain.append(np.array([row["uncorrected"] for row in found]) - CONTRAST)
    assert abs(np.mean(errors, axis=0)).max() < 0.12
    assert np.mean(np.square(scaled)) < 2.0
    assert abs(np.mean(plain, axis=0)).max() > 0.2


def test_rows_say_what_they_are_and_what_they_were_before() -> None:
    rng = np.random.default_rng(1)
    world = make_world(rng)
    found = correct(world, draw(rng, world, 200))
    assert [row["attribute"] for row in found] == list(NAMES)
    assert {row["estimator"] for row in found} == {"corrected"}
    assert {row["outcome"] for row in found} == {"rating"}
    assert {row["n"] for row in found} == {2000}
    assert all(row["ci_low"] < row["estimate"] < row["ci_high"] for row in found)
    assert any(
        said.startswith("corrected for misreading with 200 labelled reviews,")
        for said in found[0]["reasons"]
    )
    assert all(row["naive"] is not None and row["verdict"] != "no result" for row in found)


def test_the_strength_of_a_confounder_is_told_of_the_corrected_effect(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A corrected effect of 0 needs none, whatever the effect of the labels as they were drawn is."""
    rng = np.random.default_rng(1)
    world, rows = (one := make_world(rng)), draw(rng, one, 200)
    as_drawn = correct(world, rows)

    def vanish(*given: Any, **named: Any) -> Corrected:
        found = correct_effects(*given, **named)
        return replace(found, estimate=np.array([0.0, *found.estimate[1:]]))

    monkeypatch.setattr(corrected, "correct_effects", vanish)
    first, *others = correct(world, rows)
    assert first["estimate"] == 0.0
    assert first["robustness_value"] == pytest.approx(0.0, abs=1e-12)
    assert [row["robustness_value"] for row in others] == pytest.approx(
        [row["robustness_value"] for row in as_drawn[1:]]
    )


def test_a_perfect_reading_that_is_labelled_in_full_stays_as_it_was() -> None:
    world = make_world(np.random.default_rng(2), wrong=0.0)
    found = correct(world, np.arange(world.panel.height))
    for row in found:
        assert row["estimate"] == pytest.approx(row["uncorrected"], abs=0.5 * row["std_error"])
        assert row["ci_low"] < row["uncorrected"] < row["ci_high"]


def test_too_few_labels_are_said_in_words() -> None:
    rng = np.random.default_rng(3)
    world = make_world(rng, rows=400)
    found = correct(world, draw(rng, world, 29))
    assert {row["estimate"] for row in found} == {None}
    assert {row["verdict"] for row in found} == {"no result"}
    assert "29 of the labelled reviews can be used; at least 30" in found[0]["reasons"][0]
    of_what_was_read = ("p_value", "q_value", "robustness_value", "variance_left")
    assert {row[name] for row in found for name in of_what_was_read} == {None}


def test_labels_of_reviews_that_were_not_read_or_decided_are_counted() -> None:
    rng = np.random.default_rng(4)
    world = make_world(rng, rows=600)
    rows = draw(rng, world, 100)
    undecided = world.label(rows).with_columns(
        label__food=pl.when(pl.int_range(pl.len()) == 5).then(99).otherwise("label__food")
    )
    unread = world.panel.filter(pl.col("review_id") != world.panel["review_id"][int(rows[0])])
    found = correct(world, rows, gold=undecided, panel=unread)
    assert any(
        reason.startswith("2 labelled reviews were not read") for reason in found[0]["reasons"]
    )
    assert any(
        said.startswith("corrected for misreading with 98 labelled reviews,")
        for said in found[0]["reasons"]
    )


def test_more_reviews_than_can_be_corrected_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    world = make_world(rng, rows=200)
    monkeypatch.setattr(gold_room, "MAX_ROWS", 199)
    found = correct(world, draw(rng, world, 60))
    assert [row["estimate"] for row in found] == [None] * 3
    assert "label reviews of fewer days" in found[0]["reasons"][0]


def test_a_window_can_be_refused_as_a_whole() -> None:
    rows = refuse_window(WINDOW, NAMES, "rating", "because")
    assert [(row["attribute"], row["n"], row["estimate"]) for row in rows] == [
        (name, 0, None) for name in NAMES
    ]
    assert {tuple(row["reasons"]) for row in rows} == {("because",)}


def test_what_was_read_and_labelled_finds_its_row() -> None:
    panel = pl.DataFrame({"review_id": ["b", "a", "c"]})
    mentions = pl.DataFrame({
        "review_id": ["a", "c", "z"], "attribute": ["food", "food", "food"],
        "polarity": [-1, 0, 1], "confidence": [0.9, 0.4, 1.0],
    })  # fmt: skip
    reading = gather_reading(panel, mentions, ["food", "noise"])
    assert reading.polarity.tolist() == [[0, 0], [-1, 0], [0, 0]]
    assert reading.is_mentioned.tolist() == [[False, False], [True, False], [True, False]]
    assert reading.confidence.tolist() == [[0.0, 0.0], [0.9, 0.0], [0.4, 0.0]]
    labels = pl.DataFrame({"review_id": ["c", "b", "z"], "label__food": [1, 9, 1]})
    placed, n_unused = place_labels(panel, labels, ["food"])
    assert (placed.rows.tolist(), placed.polarity.tolist(), n_unused) == ([0, 2], [[0], [1]], 1)


def test_a_score_knows_nothing_of_the_outcomes_of_its_own_fold() -> None:
    rng = np.random.default_rng(6)
    controls, bucket = rng.standard_normal((300, 4)), rng.integers(10, size=300)
    read = rng.integers(-1, 2, (1, 300, 1)).astype(np.int8)
    outcome = controls @ np.array([1.0, -1.0, 0.5, 0.0]) + rng.standard_normal(300)

    def score(outcome: np.ndarray) -> np.ndarray:
        table = Table(controls, outcome, bucket, 10, ("food",))
        return score_controls(table, table_moments(table, np.arange(300), read), METHOD)[:, -1]

    mine = bucket % METHOD.folds == 2
    moved = score(np.where(mine, outcome + rng.standard_normal(300), outcome))
    before = score(outcome)
    assert np.corrcoef(before[mine], moved[mine])[0, 1] == pytest.approx(1)
    assert np.corrcoef(before[~mine], moved[~mine])[0, 1] < 1 - 1e-6
    assert np.corrcoef(before, outcome)[0, 1] > 0.7


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"review_id": ["a", "a"], "food": ["Positive", ""]}, "'a' is labelled more than once"),
        ({"review_id": ["a"], "foot": ["Positive"]}, "no column 'food'.*did you mean foot"),
        ({"review_id": ["a"], "food": ["good"]}, "food holds .*'good'.*allowed are Positive"),
        ({"id": ["a"], "food": ["Positive"]}, "no column 'review_id'"),
    ],
)
def test_a_file_that_holds_no_labels_is_refused(
    tmp_path: Path, columns: dict[str, list[str]], message: str
) -> None:
    path = tmp_path / "gold.csv"
    pl.DataFrame(columns).write_csv(path)
    with pytest.raises(InputError, match=f"gold.csv: .*{message}"):
        read_gold(path, ["food"])


def test_labels_are_read_in_all_their_spellings(tmp_path: Path) -> None:
    path = tmp_path / "gold.csv"
    path.write_text("review_id,food\n7,Positive\n8,unknown\n9,\n10,no majority\n")
    assert read_gold(path, ["food"]).rows() == [("7", 1), ("8", 9), ("9", 9), ("10", 99)]


def test_lines_without_an_id_are_of_no_review(tmp_path: Path) -> None:
    path = tmp_path / "gold.csv"
    path.write_text("review_id,food\na,Positive\n,\n,\n")
    assert read_gold(path, ["food"]).rows() == [("a", 1)]


def make_periods(count: int) -> list[PeriodRef]:
    days = [DAY + timedelta(days=number) for number in range(count)]
    return [PeriodRef(source="shop", start=d, end=d, fingerprint="f", rows=50) for d in days]


def test_the_correction_is_of_the_days_from_the_first_to_the_last_labelled_one(
    tmp_path: Path,
) -> None:
    site = resolve_site(Settings(root=tmp_path))
    run = RunContext(run_id="r", events=str(tmp_path / "e"), site=site, text=Settings().text)
    on = [1] * 20 + [3] * 15 + [2] * 40
    source = ["shop"] * 35 + ["other"] * 40
    gold = pl.DataFrame({
        "review_id": [str(n) for n in range(75)],
        "source": source,
        "event_date": [DAY + timedelta(days=n) for n in on],
    })  # fmt: skip
    ref, periods = site.lake.put_frame("gold", gold), make_periods(6)
    assert choose_labelled_periods(ref, periods, run) == tuple(periods[1:4])
    assert choose_labelled_periods(ref, periods[2:], run) == ()
    assert find_labels(gold, periods[1:4]).height == 35
