"""Which windows a night's further questions are asked of."""

from datetime import date
from typing import Any

import pytest

from flows.effect_stages import estimate_windows, longest_windows
from tasks.platform.refs import EffectsRef, FileRef, PanelRef, PeriodRef
from tasks.platform.settings import EffectsSettings, Settings

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
    windows = estimate_windows(Tonight(windows_days), panels, {"shop": FILE}, moments)  # type: ignore[arg-type]
    assert len(windows) == len(windows_days)
    assert [window.effects.window for window in longest_windows(windows)] == [name]
