from pathlib import Path

import numpy as np
import pytest

from tasks.platform.errors import InputError
from tasks.recommend.sources import load_source
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


def test_the_open_bandit_data_are_read_whole():
    source = load_source("open-bandit", find_real_data("obd"))
    assert (len(source.train), len(source.test)) == (10_000, 10_000)
    assert len(source.train.item_ids) == 34
    assert source.test.ratings.sum() < source.train.ratings.sum()


@pytest.mark.parametrize(("kind", "words"), [("magic", "choose one of"), ("coat", "nothing at")])
def test_an_unknown_source_or_an_absent_path_is_refused(tmp_path: Path, kind: str, words: str):
    with pytest.raises(InputError, match=words):
        load_source(kind, tmp_path / "no")
