"""What a night notes of its drops."""

from typing import Any

from flows.stages import MAX_NOTES, tell_late


def make_rows(count: int) -> list[dict[str, Any]]:
    return [{"table": "items", "drop_id": f"2024-03-{at:02}", "source": "s"} for at in range(count)]


def test_drops_of_earlier_days_beyond_the_named_ones_are_counted() -> None:
    first, *_ = few = tell_late(make_rows(MAX_NOTES))
    assert first.startswith("items of 2024-03-00 from s came late or corrected; all that hangs on")
    assert len(few) == MAX_NOTES
    assert tell_late(make_rows(MAX_NOTES + 3))[-1] == "So did 3 more tables of earlier drops."
    assert tell_late([]) == []
