"""What taking a delivery back says of the nights that stood on it."""

from datetime import date
from pathlib import Path

import pytest

from flows.withdrawal import tell, withdraw
from tasks.platform.settings import Settings
from tasks.platform.site import resolve_site
from tasks.platform.task import RunContext
from tests.ingest.staging import make_line
from tests.ingest.test_publish import publish, stage_day

NIGHTS = [date(2024, 2, 28), date(2024, 3, 2), date(2024, 3, 3)]


@pytest.mark.parametrize(("named", "nights"), [("2024-03-02", NIGHTS[1:]), ("i.jsonl", NIGHTS)])
def test_nights_that_stand_on_items_alone_are_named(
    tmp_path: Path, named: str, nights: list[date]
) -> None:
    settings = Settings(root=tmp_path)
    site = resolve_site(settings)
    site.warehouse.prepare()
    run = RunContext(run_id="r", events=str(tmp_path / "e"), site=site, text=settings.text)
    staged = stage_day(tmp_path, run, "items", "2024-03-02", make_line({"item_id": "i1"}))
    if named != "2024-03-02":
        drop = staged.drop.model_copy(update={"drop_id": "import:i.jsonl#0", "drop_date": None})
        staged = staged.model_copy(update={"drop": drop})
    publish(run, staged)
    site.warehouse.commit(
        lambda connection: (
            connection.executemany(
                "INSERT INTO marts.nights (as_of) VALUES (?)", [[day] for day in NIGHTS]
            )
            and None
        ),
        message="nights",
    )
    document = withdraw(settings, "shop", named, reason="", is_dry_run=True)
    assert document["nights"] == [str(day) for day in nights]
    assert f"{len(nights)} nights stand on it" in tell(document)[-1]
