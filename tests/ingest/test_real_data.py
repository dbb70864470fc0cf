"""Real files: the account closes, and masking touches little."""

import csv
import os
from collections import Counter
from pathlib import Path

import pytest

from tasks.ingest.adapters import detect_table, get_adapter
from tests.ingest.staging import stage_paths

ROOT = Path(os.environ.get("WHYREC_REAL_DATA", Path(__file__).parents[3] / "shared" / "data"))

MAX_MASKED_SHARE = 0.005
"""Reviews of music gear name prices, models and frequencies often, phone numbers hardly ever."""


def find_data(name: str) -> Path:
    """A real file, or a skipped test."""
    path = ROOT / name
    if not path.is_file():
        pytest.skip(f"real data {name} is not at {ROOT}; set WHYREC_REAL_DATA to its folder")
    return path


@pytest.mark.parametrize(
    ("name", "kind", "table", "rows", "duplicates"),
    [
        ("amazon_musical/Musical_Instruments_5.json", "amazon-2014", "reviews", 10_261, 0),
        ("amazon_musical/meta.csv", "amazon-2014", "items", 900, 0),
        ("amazon_gift_cards/Gift_Cards_5.json", "amazon-2018", "reviews", 2_972, 0),
        ("amazon_gift_cards/meta_Gift_Cards.json", "amazon-2018", "items", 1_547, 0),
        ("finefood_1k/reviews.csv", "finefood", "reviews", 1_000, 1),
    ],
)
def test_account_of_a_real_file_closes(
    tmp_path: Path, name: str, kind: str, table: str, rows: int, duplicates: int
) -> None:
    path = find_data(name)
    assert detect_table(path, kind) == table
    result = stage_paths(tmp_path, [path], adapter=get_adapter(kind), table=table)
    staged = result.staged
    assert (staged.rows_read, staged.rows_quarantined) == (rows, 0)
    assert (staged.rows_duplicate, staged.rows_staged) == (duplicates, rows - duplicates)


def test_reviews_of_one_user_item_and_second_that_differ_in_text_all_stay(tmp_path: Path) -> None:
    """Of 1,000 rows 16 share user, item and time with an earlier one; one of them repeats its text."""
    path = find_data("finefood_1k/reviews.csv")
    result = stage_paths(tmp_path, [path], adapter=get_adapter("finefood"), mask_contacts=False)
    with path.open(newline="", encoding="utf-8") as file:
        plain = list(csv.DictReader(file))
    contents = Counter(
        (row["UserId"], row["ProductId"], row["Time"], row["Summary"], row["Text"]) for row in plain
    )
    found = Counter(
        (
            row["user_id"],
            row["item_id"],
            str(int(row["reviewed_at"].timestamp())),
            row["title"],
            row["text"],
        )
        for row in result.rows
    )
    assert found.keys() == contents.keys()
    assert set(found.values()) == {1}


def test_masking_touches_few_reviews_of_music_gear(tmp_path: Path) -> None:
    path = find_data("amazon_musical/Musical_Instruments_5.json")
    result = stage_paths(tmp_path, [path], adapter=get_adapter("amazon-2014"))
    masked = [row for row in result.rows if "[phone]" in row["text"] or "[email]" in row["text"]]
    assert len(masked) <= MAX_MASKED_SHARE * len(result.rows)
