"""What is remembered of a drop's rows."""

from pathlib import Path

import pytest

from tasks.ingest.profile import is_dated
from tests.ingest.staging import EXPOSURE, make_line, stage


def test_figures_of_reviews_are_counted(tmp_path: Path) -> None:
    lines = [make_line(user_id=f"u{n % 4}", item_id=f"i{n}", rating=n % 2 + 4) for n in range(10)]
    lines += [
        make_line(user_id="x", text=" "),
        make_line(user_id="y", text="caf\u00c3\u00a9 works"),
    ]
    lines += [make_line(user_id="z", reviewed_at="2024-02-28T23:59:59Z")]
    found = stage(tmp_path, *[b"".join(lines)]).staged.profile
    assert (found["n_rows"], found["n_own_day"]) == (13, 12)
    assert (found["n_empty"], found["n_garbled"]) == (1, 1)
    assert (found["n_top_user"], found["n_top_item"], found["n_top_text"]) == (3, 4, 11)
    assert found["ratings"] == {"4": 8, "5": 5}
    assert found["hours"] == {"10": 12, "23": 1}
    assert found["words"] == {"works": 12, "it": 11, "well": 11, "cafã": 1}
    assert found["n_words"] == 35
    assert (len(found["keys"]), len(found["users"]), len(found["items"])) == (13, 7, 10)
    assert found["users"] == sorted(found["users"])


def test_exposures_have_fewer_figures_and_an_empty_drop_has_zeros(tmp_path: Path) -> None:
    found = stage(tmp_path, make_line(EXPOSURE), table="exposures", name="e{}.jsonl").staged.profile
    assert (found["n_rows"], found["hours"], "ratings" in found) == (1, {"10": 1}, False)
    assert stage(tmp_path, b"").staged.profile["n_rows"] == 0


@pytest.mark.parametrize(
    ("drop_id", "is_one"), [("2024-03-01", True), ("20240301", False), ("import:a#1", False)]
)
def test_only_dated_drops_are_measured(drop_id: str, is_one: bool) -> None:
    assert is_dated(drop_id) == is_one
