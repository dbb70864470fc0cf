import numpy as np
import polars as pl
import pytest

from tasks.platform.errors import InputError
from tasks.recommend.data import encode, from_frame, from_matrix, name_groups, one_hot
from tests.recommend.worlds import rich_ratings


def test_ratings_outside_the_scale_are_refused():
    with pytest.raises(InputError, match="outside"):
        from_matrix(np.array([[7.0]]), np.zeros((1, 0)), np.zeros((1, 0)))


def test_a_pair_rated_twice_keeps_its_last_rating():
    frame = pl.DataFrame({"userId": ["b", "a", "b"], "movieId": [1, 1, 1], "rating": [2, 3, 5]})
    ratings = from_frame(frame, "ratings.csv")
    assert ratings.user_ids == ("a", "b")
    assert dict(zip(ratings.users, ratings.ratings, strict=True)) == {0: 3.0, 1: 5.0}
    assert ratings.n_repeated == 1


@pytest.mark.parametrize(
    "times", [[9, 10, 8], ["9", "10", "8"], ["2024-02-01", "2024-03-01", None]]
)
def test_of_a_pair_rated_twice_the_later_rating_counts_wherever_it_stands(times: list[object]):
    frame = pl.DataFrame(
        {"user": ["a"] * 3, "item": ["x"] * 3, "rating": [2, 5, 3], "timestamp": times}
    )
    assert from_frame(frame, "r.csv").ratings.tolist() == [5.0]


@pytest.mark.parametrize("times", [["12/31/2020", "01/02/2021"], ["2020-1-9", "2020-1-10"]])
def test_times_that_do_not_sort_as_text_leave_the_order_of_the_file(times: list[str]):
    frame = pl.DataFrame({"user": ["a"] * 2, "item": ["x"] * 2, "rating": [1, 2], "date": times})
    assert from_frame(frame, "r.csv").ratings.tolist() == [2.0]


def test_an_unknown_time_is_no_later_one():
    times = [1.0, float("nan")]
    frame = pl.DataFrame({"user": ["a"] * 2, "item": ["x"] * 2, "rating": [1, 2], "time": times})
    assert from_frame(frame, "r.csv").ratings.tolist() == [1.0]


def test_categories_are_read_as_what_they_say_and_lists_are_refused():
    frame = pl.DataFrame({"user": ["a"], "item": ["x"], "rating": ["3"]})
    frame = frame.with_columns(pl.col("rating").cast(pl.Categorical))
    assert from_frame(frame, "r.parquet").ratings.tolist() == [3.0]
    with pytest.raises(InputError, match="no ids and ratings"):
        from_frame(frame.with_columns(user=pl.Series([[1, 2]])), "r.parquet")


def test_a_number_that_is_none_is_no_half_star():
    frame = pl.DataFrame({"user": [1, 2], "item": [1, 2], "rating": [3.0, float("nan")]})
    with pytest.raises(InputError, match=r"1 cells of r\.csv are empty or no number"):
        from_frame(frame, "r.csv")


def test_two_columns_that_could_be_meant_are_named():
    frame = pl.DataFrame({"user": [1], "user_id": [2], "item": [1], "rating": [3]})
    with pytest.raises(InputError, match="user and user_id for user; leave one"):
        from_frame(frame, "r.csv")


def test_any_scale_can_be_told():
    frame = pl.DataFrame({"user": [1, 2], "item": [1, 2], "rating": [0, 1]})
    assert from_frame(frame, "r.csv", scale=(0.0, 1.0)).scale == (0.0, 1.0)
    with pytest.raises(InputError, match="say what the scale is"):
        from_frame(frame, "r.csv")


def test_a_table_without_an_item_column_is_refused_with_what_it_has():
    with pytest.raises(InputError, match=r"r.csv has no column for item.*it has user, thing"):
        from_frame(pl.DataFrame({"user": [1], "thing": [2], "rating": [3]}), "r.csv")


def test_empty_cells_are_counted_and_refused():
    with pytest.raises(InputError, match=r"2 cells of r\.csv"):
        from_frame(
            pl.DataFrame({"user": [None, "b"], "item": [1, 2], "rating": ["x", "3"]}), "r.csv"
        )


def test_codes_index_sorted_ids_known_ones_among_them():
    codes, ids = encode(pl.Series(["c", "a", "c"]), known=["b"])
    assert ids == ("a", "b", "c")
    assert codes.tolist() == [2, 0, 2]


def test_rare_and_absent_levels_are_named():
    columns = pl.DataFrame({"kind": ["x", "x", "y", None]})
    values, names = one_hot(columns, min_rows=2)
    assert names == ["kind:rare", "kind:x"]
    assert values.tolist() == [[0, 1], [0, 1], [1, 0], [1, 0]]


def test_kept_users_keep_their_ratings_ids_and_features():
    ratings = rich_ratings()
    part = ratings.keep_users(np.array([7, 2]))
    assert part.user_ids == ("2", "7")
    assert part.user_features.tolist() == ratings.user_features[[2, 7]].tolist()
    assert part.ratings[part.users == 1].tolist() == ratings.ratings[ratings.users == 7].tolist()


def test_traits_whose_names_hold_a_colon_are_told_apart():
    columns = pl.DataFrame({"geo:city": ["B", "B", "P"], "geo:land": ["DE", "FR", "FR"]})
    found = name_groups(*one_hot(columns, min_rows=1))
    assert found == {"geo city": ("B", "B", "P"), "geo land": ("DE", "FR", "FR")}


def test_a_feature_may_be_called_count():
    columns = pl.DataFrame({"count": ["a", "b", "a"]})
    assert one_hot(columns, min_rows=1)[1] == ["count:a", "count:b"]
