"""The recommend room, as tasks: ratings, a fit a source, its quality, lists, groups and examples."""

import json
from collections.abc import Mapping, Sequence
from datetime import date
from string import ascii_uppercase
from typing import Any

import numpy as np
import polars as pl

from tasks.platform.devices import choose_device
from tasks.platform.marts import MartName, MartPart, commit_parts, find_unpublished
from tasks.platform.refs import (
    AttributesRef,
    FileRef,
    PublishedRef,
    RecommenderRef,
    VerdictsRef,
)
from tasks.platform.sql import read_sql
from tasks.platform.task import RunContext, stage_task
from tasks.recommend.checkpoint import Checkpoint, decode_checkpoint, encode_checkpoint
from tasks.recommend.cluster import cluster_factors, find_factors
from tasks.recommend.data import Floats, Ratings
from tasks.recommend.examples import (
    N_ITEMS,
    choose_users,
    cut_sentence,
    list_reasons,
    summarise_mentions,
)
from tasks.recommend.explain import split_prediction
from tasks.recommend.fit import Plan, fit_recommender
from tasks.recommend.gather import gather_ratings
from tasks.recommend.propensity import Propensities, find_propensities
from tasks.recommend.quality import measure_model
from tasks.recommend.rank import pick_top
from tasks.recommend.ratings_file import decode_ratings, encode_ratings
from tasks.recommend.uplift import score_uplift

Effects = dict[tuple[str, str], float]


def describe_ratings(run: RunContext, source: str, *, until: date) -> str:
    """What the ratings of a source up to a day, and their features, are made of."""
    scope = {"source": source, "until": until}
    with run.site.warehouse.connect() as connection:
        row = connection.execute(read_sql("clean/ratings_context"), scope).fetchone()
    return str(row[0]) if row else ""


@stage_task("recommend")
def make_ratings(
    source: str,
    until: date,
    mark: str,
    texts: tuple[FileRef, ...],
    is_rated_only: bool,
    run: RunContext,
) -> FileRef:
    """Ratings of one source up to a day, with features; `mark` stands for what the warehouse holds.

    Users and items not rated by then are there, unless `is_rated_only`.
    """
    scope = {"source": source}
    with run.site.warehouse.connect() as connection:
        reviews = connection.execute(
            read_sql("clean/ratings_select"), {**scope, "until": until}
        ).pl()
        users, items = (
            connection.execute(read_sql(f"clean/source_{table}_select"), scope).pl()
            for table in ("users", "items")
        )
    vectors = [run.site.lake.read_frame(ref) for ref in texts]
    ratings = gather_ratings(
        reviews, users, items, pl.concat(vectors) if vectors else None, is_rated_only=is_rated_only
    )
    return run.site.lake.put_bytes(
        "ratings", ".safetensors", encode_ratings(ratings), rows=len(ratings)
    )


@stage_task("recommend")
def estimate_propensities(ratings: FileRef, seed: int, run: RunContext) -> FileRef:
    """Chances that the rated pairs were rated: a column, and the method's name and floor."""
    known, method = find_propensities(_read_ratings(run, ratings), seed=seed)
    frame = pl.DataFrame({"propensity": known.values}).with_columns(
        pl.lit(method).alias("method"),
        pl.lit(known.floor).alias("floor"),
        pl.lit(known.n_clipped).alias("n_clipped"),
    )
    return run.site.lake.put_frame("propensities", frame)


def _read_propensities(run: RunContext, ref: FileRef) -> tuple[Propensities, str]:
    frame = run.site.lake.read_frame(ref)
    first = frame.row(0, named=True)
    values = frame["propensity"].to_numpy()
    return Propensities(values, int(first["n_clipped"]), float(first["floor"])), first["method"]


@stage_task("recommend")
def fit_source(
    ratings: FileRef,
    propensities: FileRef,
    model: str,
    seed: int,
    warm: FileRef | None,
    run: RunContext,
) -> FileRef:
    """The recommender of some ratings; `warm` is the full fit that it starts from."""
    checkpoint = fit_recommender(
        _read_ratings(run, ratings),
        Plan(model=model, seed=seed, device=choose_device(run.text.device)),
        known=_read_propensities(run, propensities),
        warm=None if warm is None else read_checkpoint(run, warm),
    )
    return run.site.lake.put_bytes(
        "recommenders", ".safetensors", encode_checkpoint(checkpoint), rows=ratings.rows
    )


@stage_task("recommend")
def measure_quality(
    ratings: FileRef,
    propensities: FileRef,
    model: str,
    seed: int,
    relevant: float,
    fitted: FileRef,
    run: RunContext,
) -> FileRef:
    """Figures of one model on held-out ratings, trained with the power and penalty of `fitted`."""
    row = measure_model(
        _read_ratings(run, ratings), _read_propensities(run, propensities)[0], model, seed=seed,
        relevant=relevant,
        recipe=read_checkpoint(run, fitted).card,
    )  # fmt: skip
    return _put_json(run, "recommender_quality", row)


@stage_task("recommend")
def group_sides(
    ratings: FileRef, fitted: FileRef, largest: int, seed: int, run: RunContext
) -> FileRef:
    """Groups of users and of items by latent factors: id, group, two coordinates, per side."""
    known, checkpoint = _read_ratings(run, ratings), read_checkpoint(run, fitted)
    found: dict[str, Any] = {}
    for side, ids, codes in (
        ("user", known.user_ids, known.users),
        ("item", known.item_ids, known.items),
    ):
        clusters = cluster_factors(
            find_factors(checkpoint.model, side), seed=seed, largest=largest, rows=np.unique(codes)
        )
        found[side] = {
            "ids": list(ids), "groups": clusters.labels.tolist(),
            "map": clusters.map.round(4).tolist(),
            "silhouettes": {str(k): value for k, value in clusters.silhouettes.items()},
        }  # fmt: skip
    return _put_json(run, "groups", found)


@stage_task("recommend")
def name_groups(groups: FileRef, run: RunContext) -> FileRef:
    """Users by the letter of their group, A the largest: user_id, user_group."""
    users = json.loads(run.site.lake.read_bytes(groups))["user"]
    letters = [ascii_uppercase[min(group, 25)] for group in users["groups"]]
    frame = pl.DataFrame({"user_id": users["ids"], "user_group": letters})
    return run.site.lake.put_frame("user_groups", frame)


@stage_task("recommend")
def count_mentions(
    source: str, until: date, mark: str, attributes: tuple[AttributesRef, ...], run: RunContext
) -> FileRef:
    """What the reviews of each item that were read say of each attribute."""
    with run.site.warehouse.connect() as connection:
        scope = {"source": source, "until": until}
        reviews = connection.execute(read_sql("clean/ratings_select"), scope).pl()
    frames = [run.site.lake.read_frame(ref.file) for ref in attributes]
    unread = {
        review for ref in attributes for review in run.site.lake.read_frame(ref.unread)["review_id"]
    }
    read = reviews.filter(~pl.col("review_id").is_in(list(unread)))
    table = summarise_mentions(pl.concat(frames), read.select("review_id", "item_id"))
    return run.site.lake.put_frame("mentions", table)


@stage_task("recommend")
def list_tops(
    ratings: FileRef,
    fitted: FileRef,
    mentions: FileRef,
    effects: FileRef,
    top_k: int,
    mix: float,
    run: RunContext,
) -> FileRef:
    """The lists of all users, items they rated left out, with the parts of every prediction."""
    known, checkpoint = _read_ratings(run, ratings), read_checkpoint(run, fitted)
    uplift = score_uplift(
        known.item_ids, run.site.lake.read_frame(mentions), _read_effects(run, effects)
    )
    frame = rank_all(known, checkpoint, uplift, top_k=top_k, mix=mix)
    return run.site.lake.put_frame("recommendations", frame)


def rank_all(
    ratings: Ratings, checkpoint: Checkpoint, uplift: Floats, *, top_k: int, mix: float
) -> pl.DataFrame:
    """One row per user and place: item, score, prediction, its parts and the item's uplift."""
    model = checkpoint.model
    tops = pick_top(model, ratings, top_k=top_k, uplift=uplift, mix=mix)
    users = np.repeat(np.arange(len(tops.items)), tops.items.shape[1])
    items, scores = tops.items.ravel(), tops.scores.ravel()
    places = np.tile(np.arange(1, tops.items.shape[1] + 1), len(tops.items))
    kept = np.isfinite(scores)
    users, items, scores, places = users[kept], items[kept], scores[kept], places[kept]
    parts = split_prediction(model, users, items)
    return pl.DataFrame({
        "user_id": np.asarray(ratings.user_ids, dtype=object)[users].tolist(),
        "place": places.astype(np.int32),
        "item_id": np.asarray(ratings.item_ids, dtype=object)[items].tolist(),
        "score": scores,
        "predicted": parts.total,
        "uplift": uplift[items],
        **{f"part_{name}": value for name, value in vars(parts).items()},
    })  # fmt: skip


@stage_task("recommend")
def collect_effects(source: str, verdicts: VerdictsRef, run: RunContext) -> FileRef:
    """The credible effects of praise and of blame on one source, of its longest window.

    Those that cannot be told from zero are no reason to recommend anything.
    """
    rows = [
        row
        for row in json.loads(run.site.lake.read_bytes(verdicts.effects))
        if row["source"] == source
        and row["contrast"] in ("positive", "negative")
        and row["estimator"] == "plr"
    ]
    first = min((row["window_start"] for row in rows), default=None)
    kept = [
        [row["attribute"], row["contrast"], row["estimate"]]
        for row in rows
        if row["window_start"] == first
        and row["verdict"] == "credible"
        and row["estimate"] is not None
        and not row["ci_low"] <= 0 <= row["ci_high"]
    ]
    return _put_json(run, "credible_effects", sorted(kept))


@stage_task("recommend")
def describe_examples(
    source: str,
    mark: str,
    ratings: FileRef,
    groups: FileRef,
    tops: FileRef,
    mentions: FileRef,
    effects: FileRef,
    run: RunContext,
) -> FileRef:
    """Three example users with explained recommendations; `mark` stands for reviews and items."""
    lake = run.site.lake
    known, sides = _read_ratings(run, ratings), json.loads(lake.read_bytes(groups))
    labels = dict(zip(sides["user"]["ids"], sides["user"]["groups"], strict=True))
    own = np.array([labels.get(user, 0) for user in known.user_ids], dtype=np.int64)
    chosen = [known.user_ids[code] for code in choose_users(known, own)]
    frame = lake.read_frame(tops).filter(
        pl.col("user_id").is_in(chosen) & (pl.col("place") <= N_ITEMS)
    )
    said, known_effects = lake.read_frame(mentions), _read_effects(run, effects)
    rows = [
        {**row, "group": labels.get(row["user_id"]), "reasons": list_reasons(row["item_id"], said, known_effects)}
        for row in frame.sort("user_id", "place").iter_rows(named=True)
    ]  # fmt: skip
    return _put_json(run, "recommender_examples", _add_texts(run, source, rows))


def _add_texts(run: RunContext, source: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    ids = sorted({reason["review_id"] for row in rows for reason in row["reasons"]})
    scope = {"source": source}
    with run.site.warehouse.connect() as connection:
        texts = dict(
            connection.execute(
                read_sql("clean/review_texts_select"), {**scope, "review_ids": ids}
            ).fetchall()
        )
        items = connection.execute(read_sql("clean/source_items_select"), scope).pl()
    titles = dict(zip(items["item_id"], items["title"], strict=True))
    for row in rows:
        row["title"] = titles.get(row["item_id"]) or row["item_id"]
        for reason in row["reasons"]:
            reason["sentence"] = cut_sentence(texts.get(reason["review_id"]) or "", reason["span"])
    return rows


def list_parts(refs: Sequence[RecommenderRef], as_of: date, run: RunContext) -> list[MartPart]:
    """What marts.recommendations and marts.recommender_quality should hold for the night."""
    parts = []
    for ref in refs:
        tops = run.site.lake.read_frame(ref.tops)
        quality = pl.DataFrame(
            json.loads(run.site.lake.read_bytes(ref.quality)), infer_schema_length=None
        )
        frames: tuple[tuple[MartName, pl.DataFrame], ...] = (
            ("recommendations", tops),
            ("recommender_quality", quality),
        )
        for table, frame in frames:
            night = frame.with_columns(
                pl.lit(as_of).alias("as_of"), pl.lit(ref.source).alias("source")
            )
            file = run.site.lake.put_frame("marts", night)
            path = str(run.site.lake.root / file.path)
            parts.append(MartPart(table, ref.source, as_of, as_of, file.sha256, file.rows, path))
    return parts


@stage_task("recommend")
def gather_quality(
    rows: tuple[FileRef, ...], used: str, fitted: FileRef, run: RunContext
) -> FileRef:
    """The figures of all models of one source as one file; `used` is the model that recommends."""
    table = [
        {
            **row,
            "groups": json.dumps(row["groups"], sort_keys=True),
            "is_used": row["model"] == used,
            "checkpoint": fitted.path if row["model"] == used else None,
        }
        for row in (json.loads(run.site.lake.read_bytes(ref)) for ref in rows)
    ]
    return _put_json(run, "recommender_quality", table)


def has_unpublished(refs: Sequence[RecommenderRef], as_of: date, run: RunContext) -> bool:
    """True when the marts do not hold the night's recommendations as they are."""
    parts = list_parts(refs, as_of, run)
    with run.site.warehouse.connect() as connection:
        return bool(find_unpublished(connection, parts))


@stage_task("recommend", is_cached=False)
def publish_recommendations(
    refs: tuple[RecommenderRef, ...], as_of: date, run: RunContext
) -> PublishedRef:
    """Replace the night's recommendations and quality figures, in one transaction."""
    return commit_parts(
        run.site.warehouse,
        list_parts(refs, as_of, run),
        message=f"recommendations of night {as_of}",
        extra={"run_id": run.run_id},
    )


def read_checkpoint(run: RunContext, ref: FileRef) -> Checkpoint:
    """A fitted recommender out of the lake."""
    return decode_checkpoint(run.site.lake.read_bytes(ref))


def read_card(run: RunContext, ref: FileRef) -> Mapping[str, Any]:
    """How a recommender was made."""
    return read_checkpoint(run, ref).card


def _read_ratings(run: RunContext, ref: FileRef) -> Ratings:
    return decode_ratings(run.site.lake.read_bytes(ref))


def _read_effects(run: RunContext, ref: FileRef) -> Effects:
    return {(name, side): value for name, side, value in json.loads(run.site.lake.read_bytes(ref))}


def _put_json(run: RunContext, kind: str, document: Any) -> FileRef:
    text = json.dumps(document, sort_keys=True)
    return run.site.lake.put_bytes(kind, ".json", text.encode(), rows=len(document))
