from pathlib import Path

import numpy as np
import pytest

from tasks.platform.errors import ConfigError, InputError
from tasks.recommend.sources import Options, load_source, load_training
from tests.recommend.worlds import find_real_data


def test_movielens_is_split_into_training_and_a_test_that_is_not_random(tmp_path: Path):
    (tmp_path / "ratings.csv").write_text(
        "userId,movieId,rating\n1,1,2\n1,1,5\n" + "".join(f"2,{k},5\n" for k in range(9))
    )
    source = load_source("movielens", tmp_path)
    both = np.concatenate([source.train.ratings, source.test.ratings])
    assert len(both) == 10
    assert set(both) == {5.0}
    assert not source.is_random_test


def test_ids_of_a_table_are_text(tmp_path: Path):
    (tmp_path / "r.csv").write_text("user,item,rating\n003,1,2\n3,01,5\n0.5,1,4\n")
    ratings, given = load_training("table", tmp_path / "r.csv")
    assert ratings.user_ids == ("0.5", "003", "3")
    assert ratings.item_ids == ("01", "1")
    assert given is None


def test_all_ratings_are_learned_from_where_there_is_no_random_test(tmp_path: Path):
    rows = "".join(f"u{k % 7},i{k},3\n" for k in range(40))
    (tmp_path / "r.csv").write_text("user,item,rating\n" + rows)
    assert len(load_training("table", tmp_path / "r.csv")[0]) == 40
    assert len(load_source("table", tmp_path / "r.csv").train) == 32


def test_propensities_come_with_the_ratings_that_are_learned_from(tmp_path: Path):
    write_bandit(tmp_path)
    ratings, given = load_training("open-bandit", tmp_path)
    assert len(ratings) == 12
    assert given.tolist() == [0.2] * 12


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"user,item,rating\n1,2,3,4,5\n", "as many cells in every line"),
        ("user,item,rating\n\xe4,2,3\n".encode("latin-1"), "CSV in UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read_says_what_it_must_be(tmp_path: Path, text: bytes, words: str):
    (tmp_path / "r.csv").write_bytes(text)
    with pytest.raises(InputError, match=words):
        load_source("table", tmp_path / "r.csv")


def test_a_folder_is_no_table_and_three_columns_are_no_movielens(tmp_path: Path):
    with pytest.raises(InputError, match=r"is no file"):
        load_source("table", tmp_path)
    (tmp_path / "u.data").write_text("1\t2\t3\n")
    with pytest.raises(InputError, match=r"3 columns; u\.data holds four"):
        load_source("movielens", tmp_path)


def test_what_is_relevant_is_told_or_the_middle_of_the_scale(tmp_path: Path):
    rows = "".join(f"u{k % 7},i{k},{k % 10 + 1}\n" for k in range(40))
    (tmp_path / "r.csv").write_text("user,item,rating\n" + rows)
    ten = Options(scale=(1.0, 10.0))
    assert load_source("table", tmp_path / "r.csv", options=ten).relevant == 5.5
    told = Options(scale=(1.0, 10.0), relevant=8.0)
    assert load_source("table", tmp_path / "r.csv", options=told).relevant == 8.0
    with pytest.raises(ConfigError, match="below the highest"):
        Options(scale=(5.0, 1.0))
    with pytest.raises(ConfigError, match="finite"):
        Options(scale=(1.0, float("inf")))


LOG = "item_id,click,propensity_score,user_feature_0,user_feature_1,user_feature_2,user_feature_3\n"


def write_bandit(folder: Path) -> None:
    for name, chance in (("bts", 0.2), ("random", 0.5)):
        (folder / name).mkdir()
        rows = "".join(f"{k % 2},{k % 3 == 0:d},{chance},u{k % 4},a,b,c\n" for k in range(12))
        (folder / name / "men.csv").write_text(LOG + rows)
        (folder / name / "item_context.csv").write_text(
            "item_id,item_feature_0,item_feature_1,item_feature_2,item_feature_3\n0,1,x,y,z\n1,2,v,y,z\n"
        )


def test_open_bandit_learns_of_one_log_and_is_tested_on_the_random_one(tmp_path: Path):
    write_bandit(tmp_path)
    source = load_source("open-bandit", tmp_path)
    assert (len(source.train), len(source.test)) == (12, 12)
    assert source.train.shape == (4, 2)
    assert (source.propensities == 0.2).all()
    assert source.train.scale == (0, 1)
    assert source.is_random_test
    assert source.relevant == 1.0


def test_a_bandit_folder_without_logs_is_refused_with_what_it_must_hold(tmp_path: Path):
    with pytest.raises(InputError, match="holds bts/ and random/"):
        load_source("open-bandit", tmp_path)


def test_items_of_which_a_bandit_folder_knows_nothing_are_named(tmp_path: Path):
    write_bandit(tmp_path)
    context = tmp_path / "random" / "item_context.csv"
    context.write_text("\n".join(context.read_text().splitlines()[:2]))
    with pytest.raises(InputError, match="lacks 1 of the 2 items of the logs, such as 1"):
        load_source("open-bandit", tmp_path)


def test_the_open_bandit_data_are_read_whole():
    source = load_source("open-bandit", find_real_data("obd"))
    assert (len(source.train), len(source.test)) == (10_000, 10_000)
    assert len(source.train.item_ids) == 34
    assert source.test.ratings.sum() < source.train.ratings.sum()


@pytest.mark.parametrize(("kind", "words"), [("magic", "choose one of"), ("coat", "nothing at")])
def test_an_unknown_source_or_an_absent_path_is_refused(tmp_path: Path, kind: str, words: str):
    with pytest.raises(InputError, match=words):
        load_source(kind, tmp_path / "no")


@pytest.mark.parametrize("relevant", [1.0, 9.0])
def test_what_is_relevant_must_part_the_scale(tmp_path: Path, relevant: float):
    (tmp_path / "r.csv").write_text("user,item,rating\n" + "".join(f"u{k},i,3\n" for k in range(9)))
    with pytest.raises(ConfigError, match=r"ratings lie in \[1, 5\]"):
        load_source("table", tmp_path / "r.csv", options=Options(relevant=relevant))
