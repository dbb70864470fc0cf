"""What changed beside the effects: data, attacks, recommenders."""

from datetime import timedelta
from typing import Any

import pytest

from tasks.report.beside import compare_attacks, compare_data, compare_recommenders
from tests.report.conftest import AS_OF, make_drops, make_night, make_silent, make_usual


def words(**changes: Any) -> dict[tuple[str, str], str]:
    return {(row.source, row.table): row.word for row in compare_data(make_night(**changes))}


def test_rows_are_held_against_the_range_of_the_last_drops() -> None:
    found = words(usual=make_silent())
    assert found["sample", "reviews"] == found["sample", "items"] == "as usual"
    assert found["musical", "reviews"] == "fewer than in any of the last 28 drops"
    assert found["coat", "reviews"] == "did not arrive"


def test_more_rows_than_ever_are_told_too() -> None:
    drops = make_drops()
    drops[1] |= {"rows_read": 96, "rows_published": 96}
    assert words(drops=drops)["sample", "items"] == "more than in any of the last 28 drops"


def test_a_table_that_comes_now_and_then_is_not_missed() -> None:
    assert words()["coat", "reviews"] == "no drop, as on other days (9 in 30)"


@pytest.mark.parametrize("silence", [12, 13, 2_000])
def test_a_table_that_comes_now_and_then_is_missed_after_twice_its_longest_wait(
    silence: int,
) -> None:
    usual = [{**row, "newest": AS_OF - timedelta(days=silence)} for row in make_usual()]
    word = words(usual=usual)["coat", "reviews"]
    missed = f"did not arrive for {silence:,} days; before, one came within 6"
    assert word == ("no drop, as on other days (9 in 30)" if silence == 12 else missed)


def test_days_after_the_last_drop_do_not_make_silence_usual() -> None:
    usual = make_silent(newest=AS_OF - timedelta(days=2_000))
    assert words(usual=usual)["coat", "reviews"] == "did not arrive"


def test_four_drops_make_nothing_usual_and_two_no_habit() -> None:
    usual = [{**row, "n_drops": 4} for row in make_silent(n_days=4)]
    said = words(usual=usual)
    assert said.pop(("coat", "reviews")) == "did not arrive"
    assert set(said.values()) == {"too few earlier drops to say"}
    few = make_silent(n_drops=2, n_days=2)
    assert words(usual=few)["coat", "reviews"] == "no drop, and too few earlier ones to say"


def test_what_is_unusual_comes_first_and_columns_are_named() -> None:
    rows = compare_data(make_night(usual=make_silent()))
    assert [row.is_unusual for row in rows] == [True, True, False, False]
    musical = next(row for row in rows if row.source == "musical")
    assert musical.columns == ("column style is new",)
    sample = next(row for row in rows if (row.source, row.table) == ("sample", "reviews"))
    assert sample.usual == "1,180 (1,050 to 1,310)"
    assert sample.refused == "12 of 1,240 (1.0%), usually 1.0%"


def test_a_night_that_knows_nothing_of_the_past_compares_nothing_with_it() -> None:
    assert set(words(usual=[]).values()) == {"too few earlier drops to say"}
    assert compare_data(make_night(usual=[], drops=[])) == ()


ATTACK = {"source": "sample", "attack": "bandwagon", "target": "effects", "subject": "size_fit",
          "share": 0.01, "measure": "estimate", "clean_verdict": "credible",
          "attacked_verdict": "weak", "is_verdict_flipped": True, "attempted": 1}  # fmt: skip


def tell(before: list[dict[str, Any]], now: list[dict[str, Any]]) -> tuple[str, ...]:
    return compare_attacks(make_night(previous_attacks=before, attacks={"attacks": now}))


def test_only_attacks_that_the_night_before_did_not_try_are_news() -> None:
    fresh = {**ATTACK, "attack": "random", "is_verdict_flipped": False}
    assert tell([ATTACK], [ATTACK]) == ("sample: no further attack was tried.",)
    assert tell([ATTACK], [ATTACK, fresh]) == (
        "sample: one further attack tried; none changed a conclusion.",
    )
    assert tell([], [ATTACK]) == (
        "sample: one further attack tried; a conclusion is changed by bandwagon on size and fit "
        "(credible to weak, at 1.0% of fake reviews).",
    )


def test_an_attack_that_turns_a_sign_is_not_told_as_credible_to_credible() -> None:
    turned = {**ATTACK, "attacked_verdict": "credible", "clean": 0.14, "attacked": -0.2}
    assert "(credible, but 0.14 to −0.20, at 1.0% of fake reviews)" in tell([], [turned])[0]


def test_a_first_night_compares_no_attacks_and_no_recommenders() -> None:
    night = make_night(previous_as_of=None, attacks={"attacks": [ATTACK]})
    assert compare_attacks(night) == compare_recommenders(night) == ()


def test_the_recommender_in_use_is_compared_and_a_missing_one_stays_missing() -> None:
    quality = [{"model": "bias"}, {"model": "ips", "is_used": True, "mse_weighted": 0.9}]
    night = make_night(
        recommenders=[{"source": "sample", "quality": quality}],
        previous_recommenders=[{"source": "old", "model": "mf", "mse_weighted": 1.1}],
    )
    now, gone = compare_recommenders(night)
    assert now.now is not None
    assert gone.before is not None
    assert (now.source, now.before, now.now.mse_weighted) == ("sample", None, pytest.approx(0.9))
    assert (gone.source, gone.before.mse_weighted, gone.now) == ("old", pytest.approx(1.1), None)
