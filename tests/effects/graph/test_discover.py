"""Causal discovery: structures whose graph is known, tables that are not fit for it, stability."""

import json

import numpy as np
import polars as pl
import pytest
from scipy.stats import norm

from tasks.effects.graph.adjust import find_adjustment
from tasks.effects.graph.data import assign_tiers, prepare_variables
from tasks.effects.graph.discover import discover_graph
from tasks.effects.graph.prior import EdgePrior, SuggestedEdge
from tasks.effects.graph.search import block_p_value, correlate
from tasks.effects.graph.worth import RowWorth
from tasks.platform.errors import ConfigError, EstimationError, InputError
from tests.effects.graph.worlds import draw_columns

N = 2_000
FISHER = 2e-3
"""Bartlett's and Fisher's approximations of the same p-value differ by terms of order 1 / n."""


def noise(rng, n=N):
    return rng.normal(size=n)


def make_chain(seed=0, n=N) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    a = noise(rng, n)
    b = a + noise(rng, n)
    c = b + noise(rng, n)
    return pl.DataFrame({"a": a, "b": b, "c": c})


def make_collider(seed=0, n=N) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    a, b = noise(rng, n), noise(rng, n)
    return pl.DataFrame({"a": a, "b": b, "c": a + b + noise(rng, n)})


def make_hidden(seed=0, n=N) -> pl.DataFrame:
    """a causes x, b causes y, something hidden causes x and y; x does nothing to y."""
    rng = np.random.default_rng(seed)
    a, b, hidden = (noise(rng, n) for _ in range(3))
    return pl.DataFrame(
        {"a": a, "b": b, "x": a + hidden + noise(rng, n), "y": b + hidden + noise(rng, n)}
    )


def find(frame, *, seed=0, bootstraps=0, **options):
    columns = () if "tiers" in options else [c for c in frame.columns if c != "user"]
    options = {"columns": columns} | options
    return discover_graph(frame, bootstraps=bootstraps, rng=np.random.default_rng(seed), **options)


def lines(graph):
    return {edge.show() for edge in graph.edges}


def test_a_text_column_may_be_called_count():
    frame = make_chain(n=300).with_columns(pl.col("c").qcut(3, labels=["a", "b", "c"]).cast(str))
    named = frame.rename({"c": "count"})
    assert lines(find(named)) == {line.replace("c", "count") for line in lines(find(frame))}


@pytest.mark.parametrize("method", ["pc", "ges"])
def test_a_chain_keeps_its_directions_open(method):
    assert lines(find(make_chain(), method=method)) == {"a --- b", "b --- c"}


@pytest.mark.parametrize("method", ["pc", "fci", "ges"])
def test_tiers_direct_a_chain_even_from_its_end(method):
    graph = find(make_chain(), method=method, tiers=[["c"], ["b"], ["a"]])
    directed = {"fci": {"c o-> b", "b --> a"}}.get(method, {"c --> b", "b --> a"})
    assert lines(graph) == directed
    assert [(node.name, node.tier) for node in graph.nodes] == [("c", 0), ("b", 1), ("a", 2)]


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("pc", {"a --> c", "b --> c"}),
        ("ges", {"a --> c", "b --> c"}),
        ("fci", {"a o-> c", "b o-> c"}),
    ],
)
def test_a_collider_is_directed_by_the_data_alone(method, expected):
    assert lines(find(make_collider(), method=method)) == expected


def test_a_fork_is_undirected_but_tiers_direct_it():
    rng = np.random.default_rng(3)
    c = noise(rng)
    frame = pl.DataFrame({"x": c + noise(rng), "y": c + noise(rng), "c": c})
    assert lines(find(frame)) == {"x --- c", "y --- c"}
    assert lines(find(frame, tiers=[["c"], ["x", "y"]])) == {"c --> x", "c --> y"}


def test_fci_sees_a_hidden_common_cause_where_pc_cannot():
    assert "x <-> y" in lines(find(make_hidden(), method="fci"))
    tiers = [["a", "b"], ["x"], ["y"]]
    confounded = find(make_hidden(), method="fci", tiers=tiers)
    assert "x <-> y" in lines(confounded)
    assert not find_adjustment(confounded, "x", "y").is_identified
    misled = find_adjustment(find(make_hidden(), method="pc", tiers=tiers), "x", "y")
    assert misled.is_identified
    assert "supposes no hidden common causes" in misled.reason


def test_a_tier_says_nothing_against_a_hidden_cause():
    """causal-learn's own tiers would make it x --> y."""
    rng = np.random.default_rng(1)
    x = noise(rng)
    frame = pl.DataFrame({"x": x, "y": x + noise(rng)})
    assert lines(find(frame, method="fci", tiers=[["x"], ["y"]])) == {"x o-> y"}


@pytest.mark.parametrize("method", ["pc", "fci"])
def test_a_later_column_cannot_talk_an_edge_away(method):
    """Given c = -a / 4 - b + e / 2, a and b = a + noise are uncorrelated: what b owes to a cancels."""
    rng = np.random.default_rng(0)
    a = noise(rng)
    b = a + noise(rng)
    frame = pl.DataFrame({"a": a, "b": b, "c": -0.25 * a - b + 0.5 * noise(rng)})
    assert find(frame, method=method).find_edge("a", "b") is None
    tiered = find(frame, method=method, tiers=[["a"], ["b"], ["c"]])
    assert tiered.find_edge("a", "b") is not None


def test_a_true_edge_is_stable_and_none_joins_what_is_independent():
    graph = find(make_collider(n=500), bootstraps=40)
    assert all(edge.stability == 1.0 for edge in graph.edges)
    prior = EdgePrior("someone", (SuggestedEdge("a", "b", 0.9),))
    null = find(make_collider(n=500), bootstraps=40, priors=[prior]).find_edge("a", "b")
    assert null is not None
    assert null.origin == "prior"
    assert null.stability < 0.35


def test_shares_add_up_to_the_stability():
    graph = find(make_chain(n=300), bootstraps=30)
    for edge in graph.edges:
        assert sum(edge.shares.values()) == pytest.approx(edge.stability)


def test_an_edge_that_few_bootstraps_repeat_is_left_out_and_named():
    rng = np.random.default_rng(5)
    frames = []
    for _ in range(12):
        a = noise(rng, 60)
        frames.append(pl.DataFrame({"a": a, "b": 0.33 * a + noise(rng, 60), "c": noise(rng, 60)}))
    graphs = [find(frame, bootstraps=20, min_stability=0.95) for frame in frames]
    weak = next(graph for graph in graphs if graph.left_out)
    assert weak.left_out[0].stability < 0.95
    assert weak.left_out[0] not in weak.edges
    assert any("were left out" in note for note in weak.notes)


def test_a_direction_that_few_bootstraps_repeat_is_taken_back_but_never_a_tiers():
    rng = np.random.default_rng(9)
    a, b = noise(rng, 60), noise(rng, 60)
    c = 0.6 * a + 0.5 * b + noise(rng, 60)
    frame = pl.DataFrame({"a": a, "b": b, "c": c, "d": c + noise(rng, 60)})
    assert find(frame).find_edge("c", "d").show() == "d --> c"  # and wrong
    graph = find(frame, bootstraps=40, min_stability=0.6)
    assert {edge.show() for edge in graph.edges if edge.is_softened} == {"c --- d"}
    assert any("repeat the direction of c --- d" in note for note in graph.notes)
    tiers = [["a", "b"], ["c"], ["d"]]
    tiered = find(frame, bootstraps=40, min_stability=0.6, tiers=tiers)
    assert "c --> d" in lines(tiered)


def test_the_same_seed_gives_the_same_graph():
    frame = make_chain(n=200)
    first, second = (find(frame, bootstraps=10, seed=4).to_dict() for _ in range(2))
    assert first == second


def test_repeated_rows_of_a_cluster_count_once():
    few = make_collider(n=60).with_columns(user=pl.int_range(60), d=pl.Series(range(60)))
    rng = np.random.default_rng(8)
    few = few.with_columns(d=pl.Series(rng.normal(size=60)), e=pl.Series(rng.normal(size=60)))
    many = pl.concat([few] * 30)
    scores = prepare_variables(
        many, assign_tiers(["a", "b", "c", "d", "e"], [], cluster="user"),
        max_rows=9_999, max_levels=12, rng=rng,
    )  # fmt: skip
    worth = RowWorth(scores.scores, scores.cluster)
    assert worth.count_pairs(scores.blocks) == pytest.approx(60, rel=0.02)
    naive = find(many.drop("user"), bootstraps=0)
    clustered = find(many, columns=["a", "b", "c", "d", "e"], cluster="user", bootstraps=10)
    assert len(clustered.edges) < len(naive.edges)
    assert any("1,800 rows counted as 60" in note for note in clustered.notes)


def test_columns_that_cannot_be_used_are_set_aside_with_the_reason():
    frame = make_collider(n=300).with_columns(
        same=pl.lit(3), twice=pl.col("a") * 2 + 1, void=pl.lit(None, dtype=pl.Float64),
        name=pl.Series([f"user {i}" for i in range(300)]), listed=pl.lit([1, 2]),
        blob=pl.lit(b"\xff"),
        kind=pl.Series(["x", "y", "z"] * 100), odd=pl.Series(["left", "right"] * 150),
    )  # fmt: skip
    graph = find(frame, bootstraps=3)
    reasons = {one.column: one.reason for one in graph.set_aside}
    assert set(reasons) == {"same", "twice", "void", "name", "listed", "blob"}
    assert reasons["same"] == "it does not vary"
    assert reasons["twice"] == "it says the same as a, which is kept"
    assert "300 levels" in reasons["name"]
    assert {"kind", "odd"} <= set(graph.names)
    assert all(any(name in note for note in graph.notes) for name in reasons)


def test_indicators_that_add_up_to_another_are_set_aside():
    kind = pl.Series(["x", "y", "z"] * 100)
    frame = make_collider(n=300).with_columns(
        kind=kind, is_x=(kind == "x"), is_y=(kind == "y"), is_z=(kind == "z")
    )
    graph = find(frame.select("is_x", "is_y", "is_z", "a", "kind", "c"))
    assert {one.column for one in graph.set_aside} == {"is_z", "kind"}


def test_text_of_many_levels_is_one_node_and_found():
    rng = np.random.default_rng(2)
    kind = rng.choice(["x", "y", "z", "w"], N)
    shift = np.select([kind == "x", kind == "y"], [1.0, -1.0], 0.0)
    frame = pl.DataFrame({"kind": kind, "a": shift + noise(rng), "b": noise(rng)})
    assert lines(find(frame, tiers=[["kind"], ["a", "b"]])) == {"kind --> a"}
    with pytest.raises(ConfigError, match="ges cannot use text"):
        find(frame, method="ges")


def test_missing_rows_are_dropped_and_counted():
    frame = make_chain(n=400).with_columns(
        b=pl.when(pl.int_range(400) < 50).then(None).otherwise(pl.col("b"))
    )
    graph = find(frame)
    assert graph.n == 350
    assert any("50 of 400 rows lack a value" in n and "b alone" in n for n in graph.notes)


def test_rows_are_sampled_by_whole_clusters_and_it_is_said():
    frame = make_chain().with_columns(user=pl.int_range(N) // 10)
    graph = find(frame, columns=["a", "b", "c"], cluster="user", max_rows=500)
    assert graph.n == 500
    assert any("500 of 2,000 rows (50 of 200 values of user)" in note for note in graph.notes)
    assert find(frame.drop("user"), max_rows=321).n == 321


def test_a_cluster_of_very_many_rows_ends_no_sample():
    users = pl.Series("user", [0] * 600 + [1 + at // 10 for at in range(N - 600)])
    for seed in range(12):
        variables = prepare_variables(
            make_chain().with_columns(users), assign_tiers("abc", [], cluster="user"),
            max_rows=500, max_levels=12, rng=np.random.default_rng(seed),
        )  # fmt: skip
        assert variables.n == 500
    few = make_chain(n=1_000).with_columns(user=pl.int_range(1_000) // 500)
    assert find(few, columns=["a", "b", "c"], cluster="user", max_rows=100).n == 1_000


def test_heavy_tails_and_any_rising_scale_change_nothing():
    frame = make_chain()
    bent = frame.with_columns(pl.col("a").exp(), pl.col("b") ** 3)
    assert find(bent, bootstraps=5).edges == find(frame, bootstraps=5).edges


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"tiers": [["a"], ["a", "b"]]}, ConfigError, "a stands in more than one tier"),
        ({"tiers": [["a"], ["b"]], "columns": ["a", "b", "c"]}, ConfigError, "c: in no tier"),
        ({"tiers": [["a"], ["b"]], "columns": ["a"]}, ConfigError, "at least 2 columns"),
        ({"tiers": [["a", "c"], ["b"]], "columns": ["a", "b"]}, ConfigError, "c: in a tier"),
        ({"columns": ["a", "bb"]}, InputError, "did you mean b"),
        ({"cluster": "a", "columns": ["a", "b"]}, ConfigError, "column and as cluster"),
        ({"alpha": 0}, ConfigError, "alpha 0"),
        ({"bootstraps": -1}, ConfigError, "bootstraps -1"),
        ({"min_stability": 2}, ConfigError, "min_stability 2"),
        ({"method": "lingam"}, ConfigError, "allowed are pc, fci, ges"),
    ],
)
def test_contradictory_arguments_are_refused_in_words(options, error, words):
    frame = make_chain(n=100)
    with pytest.raises(error, match=words):
        find(frame, **options)


def test_too_little_data_is_refused_in_words():
    with pytest.raises(EstimationError, match="at least 30"):
        find(make_chain(n=20))
    wide = pl.DataFrame(np.random.default_rng(0).normal(size=(50, 12)))
    with pytest.raises(EstimationError, match="at least 60 rows"):
        find(wide)
    with pytest.raises(EstimationError, match="at least 2"):
        find(make_chain(n=50).with_columns(b=1, c=2))


def test_the_block_test_of_single_columns_is_fishers():
    frame = make_chain(n=400)
    scores = frame.to_numpy()
    scores = (scores - scores.mean(0)) / scores.std(0)
    correlation = correlate(scores, np.ones(400))
    inverse = np.linalg.inv(correlation)
    partial = -inverse[0, 2] / np.sqrt(inverse[0, 0] * inverse[2, 2])
    fisher = 2 * norm.sf(np.sqrt(400 - 1 - 3) * abs(np.arctanh(partial)))
    assert block_p_value(correlation, 400, [0], [2], [1]) == pytest.approx(fisher, abs=FISHER)


def test_the_block_test_holds_its_level():
    """Of 400 tests of three columns against two, given one, 5% lie below 0.05."""
    rng = np.random.default_rng(0)
    p_values = []
    for _ in range(400):
        given = rng.normal(size=(120, 1))
        scores = np.hstack([rng.normal(size=(120, 5)) + given, given])
        scores = (scores - scores.mean(0)) / scores.std(0)
        p_values.append(block_p_value(correlate(scores, np.ones(120)), 120, [0, 1, 2], [3, 4], [5]))
    share = np.mean(np.array(p_values) < 0.05)
    assert abs(share - 0.05) < 3 * np.sqrt(0.05 * 0.95 / 400)


def test_the_graph_is_plain_json_and_nothing_is_printed(capsys):
    for method in ("pc", "fci", "ges"):
        graph = find(make_hidden(n=300), method=method, bootstraps=3)
        json.dumps(graph.to_dict(), allow_nan=False)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == ""


def test_without_tiers_most_arrows_point_the_right_way():
    right = wrong = 0
    for seed in range(16):
        frame, arrows = draw_columns(seed)
        graph = discover_graph(
            frame, columns=frame.columns, bootstraps=0, rng=np.random.default_rng(seed)
        )
        found = [(edge.source, edge.target) for edge in graph.edges if edge.ends == "-->"]
        right += sum((a, b) in arrows for a, b in found)
        wrong += sum((b, a) in arrows for a, b in found)
    assert right > 50
    assert wrong < 0.28 * (right + wrong), "by the first separating set 0.39"


def test_a_cluster_without_a_name_is_refused_like_any_that_is_not_there() -> None:
    for name in ("", "nope"):
        with pytest.raises(InputError, match=f"no column '{name}'"):
            discover_graph(
                make_chain(n=100), columns="abc", cluster=name, rng=np.random.default_rng()
            )


def make_near_twins(seed: int, *, apart: float, n: int) -> pl.DataFrame:
    """a confounds x and y; near is a but for noise of deviation `apart`."""
    rng = np.random.default_rng(seed)
    a = noise(rng, n)
    x = 0.6 * a + noise(rng, n)
    return pl.DataFrame(
        {"near": a + apart * noise(rng, n), "a": a, "x": x, "y": 0.5 * x + 0.6 * a + noise(rng, n)}
    )


@pytest.mark.parametrize(("apart", "n"), [(0.03, 1_000), (0.12, 1_000), (0.03, 4_000)])
def test_two_columns_that_nearly_repeat_each_other_do_not_take_each_others_edges(apart, n):
    """Each separated the other from x and y; nothing was left to adjust for, in all resamples."""
    for seed in range(4):
        frame = make_near_twins(seed, apart=apart, n=n)
        graph = find(frame, tiers=[["near", "a"], ["x"], ["y"]], bootstraps=5)
        answer = find_adjustment(graph, "x", "y")
        assert answer.is_identified
        assert set(answer.adjust_for) & {"near", "a"}
        assert any(
            note.startswith("near, a: the other columns tell over 90%") for note in graph.notes
        )


def test_a_sum_beside_its_parts_keeps_the_edge_that_is_its_own():
    rng = np.random.default_rng(0)
    a, b = noise(rng), noise(rng)
    x = a + noise(rng)
    frame = pl.DataFrame({"a": a, "b": b, "sum": a + b, "x": x, "y": x + a + b + noise(rng)})
    graph = find(frame, tiers=[["a", "b", "sum"], ["x"], ["y"]])
    assert "sum --> y" in lines(graph)
    assert find_adjustment(graph, "x", "y").adjust_for == ("sum",)
