"""Commands on recommenders in files, which need no night."""

from pathlib import Path

import numpy as np
import pytest

from flows.desk.recommenders import (
    Ask,
    Given,
    check_seen,
    evaluate_file,
    find_scale,
    fit_file,
    list_fitted,
    open_recommender,
    read_seen,
)
from tasks.platform.errors import ConfigError, InputError
from tasks.recommend.fit import Plan
from tasks.recommend.sources import PLAIN, Options

PLAN = Plan(model="bias", power=0.0, penalty=0.5)
TEN = Options(scale=(1.0, 10.0))


def write_ratings(file: Path, rows: list[tuple[str, str, float]]) -> str:
    lines = ["user,item,rating", *(f"{user},{item},{rating}" for user, item, rating in rows)]
    file.write_text("\n".join(lines))
    return str(file)


def draw_ratings(*, top: int = 5, seed: int = 0) -> list[tuple[str, str, float]]:
    rng = np.random.default_rng(seed)
    return [
        (f"u{user}", f"i{item}", float(rng.integers(1, top + 1)))
        for user in range(20) for item in range(8) if rng.random() < 0.5
    ]  # fmt: skip


def fit(folder: Path, rows: list[tuple[str, str, float]], options: Options | None = None) -> Ask:
    path, out = write_ratings(folder / "r.csv", rows), str(folder / "m.safetensors")
    fit_file(path, "table", PLAN, out, given=Given(options) if options else Given())
    return Ask(out, None, None)


def test_a_selection_by_the_rating_is_said_to_be_left_in_unless_a_random_sample_tells_of_it(
    tmp_path: Path,
) -> None:
    path, out = write_ratings(tmp_path / "r.csv", draw_ratings()), str(tmp_path / "m.safetensors")
    sample = write_ratings(tmp_path / "free.csv", draw_ratings(seed=1))
    ips = Plan(model="mf-ips", power=0.5, penalty=0.5, steps=2)
    told = fit_file(path, "table", ips, out, given=Given())["doubts"]
    assert len(told) == 1
    assert "popularity do not see where ratings are given because they are high" in told[0]
    assert fit_file(path, "table", ips, out, given=Given(sample=sample))["doubts"] == []
    assert fit_file(path, "table", PLAN, out, given=Given())["doubts"] == []


@pytest.mark.slow
@pytest.mark.parametrize(("models", "is_told"), [(["mf-ips"], True), (["mf"], False)])
def test_a_comparison_on_ratings_that_users_chose_says_what_propensities_do_not_see(
    tmp_path: Path, models: list[str], is_told: bool
) -> None:
    path = write_ratings(tmp_path / "r.csv", draw_ratings())
    sample = write_ratings(tmp_path / "free.csv", draw_ratings(seed=1))
    found = evaluate_file(path, "table", models, seeds=1, given=Given())["doubts"]
    assert any("do not see" in one for one in found) is is_told
    free = evaluate_file(path, "table", models, seeds=1, given=Given(sample=sample))["doubts"]
    assert not any("do not see" in one for one in free)


def test_what_a_user_new_to_the_recommender_has_rated_is_not_listed(tmp_path: Path) -> None:
    rows = draw_ratings()
    ask = fit(tmp_path, rows)
    own = [("newcomer", f"i{item}", 5.0) for item in range(6)]
    seen = read_seen(write_ratings(tmp_path / "seen.csv", rows + own), "table")
    answer = list_fitted(open_recommender(ask), "newcomer", top_k=8, seen=seen)
    assert {row["item_id"] for row in answer["items"]} == {"i6", "i7"}
    assert answer["notes"] == []
    assert (
        "--seen to leave them out"
        in list_fitted(open_recommender(ask), "newcomer", top_k=8, seen=None)["notes"][0]
    )


def test_a_file_of_seen_items_without_the_user_is_said_to_leave_nothing_out(tmp_path: Path) -> None:
    rows = draw_ratings()
    ask = fit(tmp_path, rows)
    others = [row for row in rows if row[0] != "u3"]
    seen = read_seen(write_ratings(tmp_path / "seen.csv", others), "table")
    answer = list_fitted(open_recommender(ask), "u3", top_k=8, seen=seen)
    assert len(answer["items"]) == 8
    assert answer["notes"] == ["--seen has no rating of u3: nothing was left out"]


def test_seen_ratings_are_on_the_scale_that_was_learned(tmp_path: Path) -> None:
    rows = draw_ratings(top=10)
    ask = fit(tmp_path, rows, TEN)
    path = str(tmp_path / "r.csv")
    seen = read_seen(path, "table", scale=find_scale(open_recommender(ask)[0]))
    assert seen is not None
    assert len(seen) == len(rows)
    with pytest.raises(InputError, match="outside"):
        read_seen(path, "table")


def test_a_list_of_items_predicted_alike_says_that_it_has_no_order(tmp_path: Path) -> None:
    ask = fit(tmp_path, [(user, item, 1.0) for user, item, _ in draw_ratings()])
    notes = list_fitted(open_recommender(ask), "u3", top_k=3, seen=None)["notes"]
    assert "all are predicted alike: the order of the list says nothing" in notes


def test_the_ratings_are_no_random_sample_of_themselves(tmp_path: Path) -> None:
    path = write_ratings(tmp_path / "r.csv", draw_ratings())
    copy = tmp_path / "sample.csv"
    copy.write_bytes(Path(path).read_bytes())
    for sample in (path, str(copy)):
        with pytest.raises(ConfigError, match="holds the ratings themselves"):
            evaluate_file(path, "table", ["mf-ips"], seeds=1, given=Given(sample=sample))


def test_what_would_be_left_unheeded_is_refused(tmp_path: Path) -> None:
    night, file = Ask(None, None, None), Ask("m.safetensors", None, None)
    with pytest.raises(ConfigError, match="a night's list leaves out what was rated"):
        check_seen(night, "seen.csv", "table", PLAIN)
    for kind, options in (("coat", PLAIN), ("table", TEN)):
        with pytest.raises(ConfigError, match="name these by --seen"):
            check_seen(file, None, kind, options)
    check_seen(file, "seen.csv", "coat", TEN)
    check_seen(night, None, "table", PLAIN)
    with pytest.raises(ConfigError, match="--source shop names recommenders of the warehouse"):
        open_recommender(Ask("m.safetensors", "shop", None))
