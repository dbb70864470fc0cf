"""Texts of items as controls: fitted once, frozen with the basis, the same for every day."""

import numpy as np
import polars as pl

from tasks.effects.basis import Basis, TextDirections, fit_basis
from tasks.effects.item_texts import MISSING, add_text_scores, fit_item_directions
from tasks.effects.moments import panel_moments, sum_moments
from tasks.effects.panel import panel_spec
from tasks.effects.plr import estimate_plr
from tasks.effects.sensitivity import group_controls

ITEMS, DIM = 200, 24


def make_texts(rng: np.random.Generator, items: int = ITEMS) -> pl.DataFrame:
    """Embeddings of items that lie near a plane: two things differ between their texts."""
    vectors = rng.normal(size=(items, 2)) @ rng.normal(size=(2, DIM))
    vectors = (vectors + 0.05 * rng.normal(size=(items, DIM)) + 3).astype(np.float32)
    return pl.DataFrame(
        {
            "item_id": [f"i{number}" for number in range(items)],
            "vector": pl.Series(vectors, dtype=pl.Array(pl.Float32, DIM)),
        }
    )


def make_panel(rng: np.random.Generator, rows: int = 600) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "item_id": [f"i{number}" for number in rng.integers(0, ITEMS, rows)],
            "user_id": [f"u{number}" for number in range(rows)],
            "c__price_usd": rng.lognormal(2, 1, rows),
        }
    )


def fit(panel: pl.DataFrame, texts: pl.DataFrame, **changed: int) -> TextDirections | None:
    return fit_item_directions(panel, texts, **({"max_components": 2, "min_items": 50} | changed))


def test_scores_have_mean_0_and_unit_deviation_over_the_rows_of_the_fit() -> None:
    rng = np.random.default_rng(1)
    panel, texts = make_panel(rng), make_texts(rng)
    directions = fit(panel, texts)
    assert directions is not None
    assert directions.share > 0.98
    scored = add_text_scores(panel, texts, directions)
    scores = scored.select("c__item_text:1", "c__item_text:2").to_numpy()
    np.testing.assert_allclose(scores.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(np.cov(scores.T, ddof=0), np.eye(2), atol=1e-5)
    assert scored[MISSING].sum() == 0


def test_an_item_without_a_text_scores_0_and_is_flagged() -> None:
    rng = np.random.default_rng(2)
    panel, texts = make_panel(rng), make_texts(rng)
    directions = fit(panel, texts)
    known = texts.filter(pl.col("item_id") != "i7")
    for given in (known, None, texts.clear()):
        scored = add_text_scores(panel, given, directions)
        lost = scored if given is None or not given.height else scored.filter(item_id="i7")
        assert lost.height > 0
        assert set(lost[MISSING]) == {1.0}
        assert set(lost["c__item_text:1"]) == set(lost["c__item_text:2"]) == {0.0}


def test_few_texts_no_components_or_texts_all_alike_give_no_controls() -> None:
    rng = np.random.default_rng(3)
    panel, texts = make_panel(rng), make_texts(rng)
    alike = texts.with_columns(vector=texts["vector"].gather([0] * ITEMS))
    assert fit(panel, texts.head(49)) is None
    assert fit(panel, texts, max_components=0) is None
    assert fit(panel, alike) is None
    assert add_text_scores(panel, texts, None) is panel


def test_directions_travel_with_the_basis_and_are_part_of_its_hash() -> None:
    rng = np.random.default_rng(4)
    panel, texts = make_panel(rng), make_texts(rng)
    directions = fit(panel, texts)
    scored = add_text_scores(panel, texts, directions)
    basis = fit_basis(scored, panel_spec(scored), texts=directions)
    back = Basis.from_json(basis.to_json())
    assert back == basis
    assert back.texts == directions
    names = group_controls(basis.names)["c__item_text"]
    assert names == ["c__item_text:1", "c__item_text:2"]
    other = fit(panel, make_texts(rng))
    assert fit_basis(scored, panel_spec(scored), texts=other).sha256 != basis.sha256


def test_a_row_scores_alike_whatever_day_it_is_read_with() -> None:
    rng = np.random.default_rng(5)
    panel, texts = make_panel(rng), make_texts(rng)
    directions = fit(panel, texts)
    whole = add_text_scores(panel, texts, directions)
    parts = []
    for start in range(0, panel.height, 100):
        day = panel.slice(start, 100)
        own = texts.join(day, on="item_id", how="semi")
        parts.append(add_text_scores(day, own, directions))
    np.testing.assert_allclose(
        pl.concat(parts).select(r"^c__item_text.*$").to_numpy(),
        whole.select(r"^c__item_text.*$").to_numpy(),
        atol=1e-12,
    )


def test_a_confounder_that_only_the_text_tells_is_controlled_for() -> None:
    """Good items are praised more and rated higher: true effect 0.5; without their texts 0.5 + 0.8."""
    rng = np.random.default_rng(6)
    texts, panel = make_texts(rng), make_panel(rng, rows=6000)
    directions = fit(panel, texts)
    scored = add_text_scores(panel, texts, directions)
    quality = scored["c__item_text:1"].to_numpy()
    praised = (quality + rng.normal(size=6000) > 0).astype(np.float64)
    rating = 0.5 * praised + quality + rng.normal(size=6000)
    found = {}
    for name, frame, frozen in (("without", panel, None), ("with", scored, directions)):
        frame = frame.with_columns(praised=praised, rating=rating)
        basis = fit_basis(frame, panel_spec(frame), texts=frozen)
        days = [
            panel_moments(
                frame.slice(start, 1000), basis, treatments=["praised"], outcome="rating",
                n_buckets=20,
            )
            for start in range(0, 6000, 1000)
        ]  # fmt: skip
        found[name] = estimate_plr(
            sum_moments(days), treatments=["praised"], outcome="rating", controls=basis.names
        )
    assert abs(found["with"].theta[0] - 0.5) < 3 * found["with"].std_error[0]
    assert found["without"].theta[0] > 1
