"""What the effects room's tasks hand on and publish."""

import json
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tasks.effects.basis import BasisSpec, fit_basis
from tasks.effects.choose import ALL_DAYS, select_window, select_window_before
from tasks.effects.estimate import Row, Window, estimate_effects
from tasks.effects.judge import judge_effects
from tasks.effects.mart_rows import list_parts
from tasks.effects.moments import Moments, compute_moments
from tasks.effects.task import estimate_window
from tasks.platform.marts import commit_parts
from tasks.platform.periods import split_periods
from tasks.platform.refs import FileRef, PartitionRef, PeriodRef, VerdictsRef
from tasks.platform.settings import Settings
from tasks.platform.site import Site, resolve_site
from tasks.platform.task import RunContext

DAY = date(2024, 3, 1)


def moments_of(*, n: int, buckets: int = 10, effect: float = 1.0, seed: int = 1) -> Moments:
    """Of n made-up reviews that praise the food or complain of it, or neither."""
    rng = np.random.default_rng(seed)
    side = rng.integers(-1, 2, n)
    outcome = 3 + effect * side + rng.normal(size=n)
    design = np.column_stack([np.ones(n), side == 1, side == -1, outcome]).astype(float)
    columns = ("1", "food__positive", "food__negative", "rating")
    return compute_moments(design, np.arange(n) % buckets, columns=columns, n_buckets=buckets)


def effects_of(source: str, *, n: int) -> list[Row]:
    """Effects of one attribute on n made-up reviews; fewer than 60 are too few for an estimate."""
    moments = moments_of(n=n)
    window = Window(source, "all", DAY, DAY)
    return [
        {**row, "window_start": str(DAY), "window_end": str(DAY)}
        for row in estimate_effects(moments, window=window, attributes=["food"])
    ]


def keep(site: Site, rows: list[Row]) -> FileRef:
    return site.lake.put_bytes("rows", ".json", json.dumps(rows).encode(), rows=len(rows))


def test_a_source_without_any_estimate_is_published_beside_one_that_has_some(
    tmp_path: Path,
) -> None:
    site = resolve_site(Settings(root=tmp_path))
    site.warehouse.prepare()
    run = RunContext(run_id="r", events=str(tmp_path / "e"), site=site, text=Settings().text)
    rows = [*effects_of("little", n=8), *effects_of("much", n=400)]
    none = keep(site, [])
    verdicts = VerdictsRef(
        effects=keep(site, rows), refutations=none, segments=none, trends=none, graphs=none,
        codes=(), rows=len(rows),
    )  # fmt: skip
    parts = list_parts(verdicts, DAY, run)
    commit_parts(site.warehouse, parts, message="m", extra={})
    with site.warehouse.connect() as connection:
        found = connection.execute(
            "SELECT source, count(*), count(estimate) FROM marts.effects GROUP BY 1 ORDER BY 1"
        ).fetchall()
    assert found == [("little", 3, 0), ("much", 3, 3)]


def test_a_find_that_stands_among_all_of_a_night_is_not_weak_for_its_own_window(
    tmp_path: Path,
) -> None:
    site = resolve_site(Settings(root=tmp_path))
    run = RunContext(run_id="r", events=str(tmp_path / "e"), site=site, text=Settings().text)
    basis = fit_basis(pl.DataFrame({"x": [1.0, 2.0]}), BasisSpec()).to_json().encode()
    moments = moments_of(n=400, buckets=40, effect=0.1, seed=4)  # p = 0.027, and two of no news
    done = estimate_window.fn(
        source="s", window="7d", start=DAY, end=DAY,
        moments=(site.lake.put_bytes("moments", ".moments", moments.to_bytes(), rows=400),),
        basis=site.lake.put_bytes("bases", ".json", basis, rows=2), told=None, left_out=0,
        attribute_names=("food",), settings=Settings().effects, code="", run=run,
    )  # fmt: skip
    rows = json.loads(site.lake.read_bytes(done.file))
    alone, *_ = judge_effects(rows, [])
    assert (alone["verdict"], round(alone["q_value"], 2)) == ("weak", 0.08)
    strong = [rows[0] | {"p_value": 1e-9, "window": f"{day}d"} for day in range(40)]
    among, *_ = judge_effects([*rows, *strong], [])
    assert (among["verdict"], round(among["q_value"], 2)) == ("credible", 0.03)


def make_days(first: date, last: date) -> list[PeriodRef]:
    parts = [
        PartitionRef(
            table="reviews", source="s", event_date=first + timedelta(n), fingerprint=f"{n}", rows=9
        )
        for n in range((last - first).days + 1)
    ]
    return split_periods(parts, last)


@pytest.mark.parametrize("night", [date(2024, 3, 29), date(2024, 3, 28), date(2024, 5, 28)])
@pytest.mark.parametrize("days", [28, 7, ALL_DAYS])
def test_the_window_of_the_night_before_is_found_among_todays_periods(
    night: date, days: int
) -> None:
    first, previous = date(2023, 11, 5), night - timedelta(days=1)
    before = select_window(make_days(first, previous), as_of=previous, days=days)
    found = select_window_before(make_days(first, night), previous=previous, days=days)
    covered = [sum(p.rows for p in part) for part in (before, found)]
    assert covered[0] == covered[1] > 0
    assert found[-1].end == previous


def test_a_night_long_ago_whose_days_are_read_as_months_now_is_not_guessed_at() -> None:
    today = make_days(date(2024, 1, 1), date(2024, 6, 30))
    assert select_window_before(today, previous=date(2024, 2, 10), days=28) == []
    assert select_window_before(today, previous=date(2023, 2, 10), days=28) == []
    later = make_days(date(2024, 1, 1), date(2024, 5, 3))  # March is one period, and was days then
    assert select_window_before(later, previous=date(2024, 4, 5), days=28) == []
    assert select_window_before(later, previous=date(2024, 4, 5), days=ALL_DAYS)
