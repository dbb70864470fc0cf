"""Which windows a night's further questions are asked of, and of which reviews."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flows.effect_stages import estimate_windows, longest_windows, tell_levels_apart
from tasks.effects.basis import BasisSpec, fit_basis
from tasks.platform.refs import EffectsRef, FileRef, PanelRef, PeriodRef
from tasks.platform.settings import EffectsSettings, Settings
from tasks.platform.site import resolve_site
from tasks.platform.task import RunContext

FILE = FileRef(path="p", sha256="h", size=1)


class Tonight:
    """A night whose tasks answer at once."""

    def __init__(self, windows_days: tuple[int, ...]) -> None:
        self.as_of = date(2024, 3, 5)
        self.settings = Settings(effects=EffectsSettings(windows_days=windows_days))
        self.engine = self

    def require(self, _task: Any, calls: dict[str, dict[str, Any]]) -> dict[str, EffectsRef]:
        return {
            label: EffectsRef(
                source=call["source"], window=call["window"], file=FILE, code="", rows=1
            )
            for label, call in calls.items()
        }

    def keep(self, refs: Any) -> None:
        """Nothing is kept."""


@pytest.mark.parametrize(
    ("windows_days", "name"), [((0, 28, 7), "all"), ((7, 28, 0), "all"), ((7, 28), "28d")]
)
def test_windows_of_a_short_history_are_told_by_the_name_that_the_report_puts_first(
    windows_days: tuple[int, ...], name: str
) -> None:
    periods = [
        PeriodRef(source="shop", start=day, end=day, fingerprint=f"{day}", rows=9)
        for day in (date(2024, 3, 4), date(2024, 3, 5))
    ]
    panels = {period: PanelRef(rows=FILE) for period in periods}
    moments = dict.fromkeys(periods, FILE)
    windows = estimate_windows(Tonight(windows_days), panels, {"shop": FILE}, moments, {})  # type: ignore[arg-type]
    assert len(windows) == len(windows_days)
    assert [window.effects.window for window in longest_windows(windows)] == [name]


class Asked:
    """A night on the 20th of March that notes which calls are made, with a lake of its own."""

    def __init__(self, root: Path) -> None:
        self.as_of = date(2024, 3, 20)
        self.settings = Settings(root=root)
        self.run = RunContext(
            run_id="r", events=str(root / "e"), site=resolve_site(self.settings),
            text=self.settings.text,
        )  # fmt: skip
        self.engine = self
        self.calls: dict[str, dict[str, Any]] = {}

    def require(self, _task: Any, calls: dict[str, dict[str, Any]]) -> dict[str, FileRef]:
        self.calls = calls
        return dict.fromkeys(calls, FILE)

    def keep(self, refs: Any) -> None:
        """Nothing is kept."""

    def put_basis(self, max_levels: int) -> FileRef:
        """A basis of a category of three levels."""
        frame = pl.DataFrame({"c__kind": ["a", "b", "c"] * 30})
        spec = BasisSpec(categorical=("c__kind",), max_levels=max_levels)
        text = fit_basis(frame, spec).to_json().encode()
        return self.run.site.lake.put_bytes("bases", ".json", text, rows=90)


def list_panels(source: str, rows: int) -> dict[PeriodRef, PanelRef]:
    """A panel of `rows` reviews for each day of March up to the 20th."""
    days = [date(2024, 3, 1) + timedelta(n) for n in range(20)]
    return {
        PeriodRef(source=source, start=day, end=day, fingerprint=f"{day}", rows=rows): PanelRef(
            rows=FileRef(path=f"{source}{day.day}", sha256="h", size=1, rows=rows)
        )
        for day in days
    }


def test_levels_are_told_apart_where_some_share_a_column_and_twice_a_month(tmp_path: Path) -> None:
    night = Asked(tmp_path)
    panels = list_panels("many", 10) | list_panels("few", 10)
    bases = {"many": night.put_basis(2), "few": night.put_basis(3)}
    assert tell_levels_apart(night, panels, bases) == {"many": FILE}  # type: ignore[arg-type]
    read = [panel.rows.path for panel in night.calls["many"]["panels"]]
    assert read == [f"many{day}" for day in range(1, 15)], "up to the 14th, until the 1st comes"


def test_levels_are_told_apart_by_the_newest_reviews_that_are_enough(tmp_path: Path) -> None:
    night = Asked(tmp_path)
    tell_levels_apart(night, list_panels("many", 40_000), {"many": night.put_basis(2)})  # type: ignore[arg-type]
    read = [panel.rows.path for panel in night.calls["many"]["panels"]]
    assert read == ["many12", "many13", "many14"]


def test_a_source_without_settled_days_is_not_asked(tmp_path: Path) -> None:
    night = Asked(tmp_path)
    late = {p: panel for p, panel in list_panels("many", 9).items() if p.start.day > 14}
    assert tell_levels_apart(night, late, {"many": night.put_basis(2)}) == {}  # type: ignore[arg-type]
