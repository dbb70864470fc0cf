"""Recommenders outside a night: fit one to a file or a source, list, explain."""

import filecmp
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from flows.console import PROGRESS
from flows.desk.outputs import check_output, write_output
from tasks.platform.errors import ConfigError, InputError
from tasks.platform.settings import Settings, load_settings
from tasks.platform.site import resolve_site
from tasks.platform.sql import read_sql
from tasks.platform.warehouse import fetch_dicts
from tasks.recommend.checkpoint import Checkpoint, decode_checkpoint, encode_checkpoint
from tasks.recommend.compare import doubt_propensities
from tasks.recommend.data import Ratings
from tasks.recommend.evaluate import NAIVE, evaluate_models
from tasks.recommend.explain import split_prediction
from tasks.recommend.fit import Plan, fit_recommender
from tasks.recommend.logbook import Logbook
from tasks.recommend.propensity import find_propensities
from tasks.recommend.rank import pick_top
from tasks.recommend.sources import PLAIN, Options, load_source, load_training, read_values
from tasks.recommend.train import Progress, Watch

Opened = tuple[Checkpoint, dict[str, Any]]
"""A recommender, and where it is from."""
FOREVER = date(9999, 12, 31)
ALIKE = 1e-5
"""Rating points between predictions that are no more than rounding."""


@dataclass(frozen=True)
class Ask:
    """Where a recommender is looked for: a file, or the newest night of a source of the warehouse."""

    model: str | None
    source: str | None
    config: str | None


@dataclass(frozen=True)
class Given:
    """What is said of a file of ratings: its scale, and a file of ratings exposed at random."""

    options: Options = PLAIN
    sample: str | None = None


def fit_file(
    path: str, kind: str, plan: Plan, target: str, *, given: Given, log_folder: str | None = None
) -> dict[str, Any]:
    """Fit a recommender to all ratings of a source but a random test, and write it.

    Answers its card, its `path`, and as `doubts` what it cannot correct, in words. Propensities are those
    that the source gives, if any. `log_folder` gets TensorBoard scalars.
    """
    place = check_output(target)
    check_sample(path, given.sample)
    ratings, propensities = load_training(kind, path, options=given.options)
    known = find_propensities(
        ratings, given=propensities, sample=read_sample(given.sample), seed=plan.seed
    )
    with Logbook(Path(log_folder)) if log_folder else nullcontext() as book:
        checkpoint = fit_recommender(ratings, plan, known=known, watch=watch_steps(plan, book))
    write_output(place, lambda draft: draft.write_bytes(encode_checkpoint(checkpoint)))
    card = checkpoint.card
    doubts = doubt_propensities(card["propensities"]) if card["method"] != NAIVE else []
    return {**card, "path": str(place), "doubts": doubts}


def evaluate_file(
    path: str, kind: str, models: Sequence[str], *, seeds: int, given: Given
) -> dict[str, Any]:
    """Compare recommenders on a source's test; the JSON document."""
    check_sample(path, given.sample)
    source = load_source(kind, path, options=given.options)
    return evaluate_models(source, models, seeds=seeds, sample=read_sample(given.sample))


def check_sample(path: str, sample: str | None) -> None:
    """Raises ConfigError where the ratings are called a random sample of themselves."""
    if sample is None:
        return
    files = [Path(name).expanduser() for name in (path, sample)]
    if all(file.is_file() for file in files) and filecmp.cmp(files[0], files[1], shallow=False):
        raise ConfigError(
            f"--random-sample {sample} holds the ratings themselves: propensities would all be "
            "alike, and nothing corrected; give ratings of items that were shown at random"
        )


def read_sample(path: str | None) -> np.ndarray | None:
    """Ratings of a table that were exposed at random: users and items are not asked for."""
    return None if path is None else read_values(Path(path).expanduser())


def watch_steps(plan: Plan, book: Watch | None) -> Watch:
    """Tell the progress bar, and the logbook if there is one."""

    def watch(progress: Progress) -> None:
        if tell := PROGRESS.get():
            tell("fit", min(progress.step, plan.steps), plan.steps)
        if book is not None:
            book(progress)

    return watch


def open_recommender(ask: Ask) -> Opened:
    """The asked recommender, and where it is from. Raises InputError when there is none, ConfigError for two."""
    if ask.model is not None:
        if ask.source is not None:
            raise ConfigError(
                f"--source {ask.source} names recommenders of the warehouse, and --model one in a "
                "file; give one of them"
            )
        place = Path(ask.model).expanduser()
        if not place.is_file():
            raise InputError(f"there is no recommender at {place}; fit one with recommend fit")
        return decode_checkpoint(place.read_bytes()), {"model": str(place)}
    settings = load_settings(ask.config)
    night = find_night(settings, ask.source)
    lake = resolve_site(settings).lake
    return decode_checkpoint((lake.root / night["checkpoint"]).read_bytes()), night


def find_night(settings: Settings, source: str | None) -> dict[str, Any]:
    """The newest night that has a recommender of `source`, or of the only source."""
    site = resolve_site(settings)
    site.warehouse.prepare()
    with site.warehouse.connect() as connection:
        rows = fetch_dicts(connection, read_sql("marts/recommender_latest"), {"as_of": FOREVER})
    known = [row for row in rows if source is None or row["source"] == source]
    if not known:
        named = f" of {source!r}" if source else ""
        there = ", ".join(row["source"] for row in rows) or "none"
        raise InputError(
            f"there is no recommender{named} in the warehouse (there: {there}); run "
            "'whyrec nightly' first, or name a file with --model"
        )
    if len(known) > 1:
        names = ", ".join(row["source"] for row in known)
        raise ConfigError(f"several sources have a recommender; name one with --source: {names}")
    return {key: str(value) for key, value in known[0].items()}


def list_stored(ask: Ask, user: str, *, top_k: int) -> dict[str, Any]:
    """The list that the newest night published for a user, out of marts.recommendations."""
    settings = load_settings(ask.config)
    night = find_night(settings, ask.source)
    with resolve_site(settings).warehouse.connect() as connection:
        rows = fetch_dicts(
            connection,
            read_sql("marts/recommendations_select"),
            {"source": night["source"], "as_of": night["as_of"], "user_id": user, "limit": top_k},
        )
    notes: list[str] = []
    if not rows:
        checkpoint, _ = open_recommender(ask)
        if user not in checkpoint.names.users:
            rows = rank_unknown(checkpoint, top_k=top_k)
            return {**night, "user": user, "is_known": False, "items": rows, "notes": notes}
        notes.append(
            f"{user} has rated all {len(checkpoint.names.items):,} items that the recommender knows"
        )
    elif len(rows) < top_k:
        notes.append(
            f"the night lists {len(rows):,} items for {user}; recommend.top_k is "
            f"{settings.recommend.top_k:,}"
        )
    return {**night, "user": user, "is_known": True, "items": rows, "notes": notes}


def list_fitted(opened: Opened, user: str, *, top_k: int, seen: Ratings | None) -> dict[str, Any]:
    """The list that an opened recommender makes for a user; items rated in `seen` are left out."""
    checkpoint, where = opened
    names, rated = checkpoint.names, find_rated(seen, user)
    if user not in names.users:
        rows = rank_unknown(checkpoint, top_k=top_k, rated=rated)
        notes = tell_list(checkpoint, user, rows, rated=rated)
        return {**where, "user": user, "is_known": False, "items": rows, "notes": notes}
    code = names.users.index(user)
    known = rate_nothing(checkpoint) if seen is None else match_seen(checkpoint, seen)
    tops = pick_top(checkpoint.model, known, top_k=top_k, users=np.array([code]))
    rows = describe_pairs(checkpoint, code, tops.listed)
    notes = tell_list(checkpoint, user, rows, rated=rated)
    return {**where, "user": user, "is_known": True, "items": rows, "notes": notes}


def find_rated(seen: Ratings | None, user: str) -> frozenset[str] | None:
    """Items that a user rated in `seen`; None without it."""
    if seen is None:
        return None
    if user not in seen.user_ids:
        return frozenset()
    own = seen.items[seen.users == seen.user_ids.index(user)]
    return frozenset(seen.item_ids[item] for item in own)


def tell_list(
    checkpoint: Checkpoint,
    user: str,
    rows: Sequence[Mapping[str, Any]],
    *,
    rated: frozenset[str] | None,
) -> list[str]:
    """What a reader of the list must know, in words; `rated` is None without ratings to leave out."""
    notes = []
    if not rows:
        notes.append(
            f"{user} has rated all {len(checkpoint.names.items):,} items that the recommender knows"
        )
    if rated is None:
        notes.append(
            "items rated before are listed too; give the ratings by --seen to leave them out"
        )
    elif not rated:
        notes.append(f"--seen has no rating of {user}: nothing was left out")
    if len(rows) > 1 and np.ptp([row["predicted"] for row in rows]) < ALIKE:
        notes.append("all are predicted alike: the order of the list says nothing")
    scale = find_scale(checkpoint)
    if scale and any(not scale[0] <= row["predicted"] <= scale[1] for row in rows):
        notes.append(
            f"predictions are sums of parts and may pass the ends of the scale, {scale[0]:g} and "
            f"{scale[1]:g}"
        )
    return notes


def match_seen(checkpoint: Checkpoint, seen: Ratings) -> Ratings:
    """The ratings of users and items that the recommender knows, in its codes."""
    names = checkpoint.names
    users, items = (
        np.array([known.get(name, -1) for name in ids], dtype=np.int64)[codes]
        for known, ids, codes in (
            ({name: code for code, name in enumerate(names.users)}, seen.user_ids, seen.users),
            ({name: code for code, name in enumerate(names.items)}, seen.item_ids, seen.items),
        )
    )
    kept = (users >= 0) & (items >= 0)
    if not kept.any():
        raise InputError(
            "the ratings to leave out are of no user and item that the recommender knows; it knows "
            f"users such as {', '.join(names.users[:3])}"
        )
    return replace(
        rate_nothing(checkpoint), users=users[kept], items=items[kept], ratings=seen.ratings[kept]
    )


def rate_nothing(checkpoint: Checkpoint) -> Ratings:
    """No ratings of the recommender's users and items."""
    inputs, nothing = checkpoint.model.inputs, np.array([], dtype=np.int64)
    return Ratings(
        nothing, nothing, np.array([]), checkpoint.names.users, checkpoint.names.items,
        inputs.user_features, inputs.item_features,
    )  # fmt: skip


def rank_unknown(
    checkpoint: Checkpoint, *, top_k: int, rated: frozenset[str] | None = None
) -> list[dict[str, Any]]:
    """Items for a user never seen, but those `rated`: the mean of all users' predictions, best first."""
    a, b = checkpoint.model.find_towers()
    scores, items = b @ a.mean(axis=0), checkpoint.names.items
    order = np.argsort(-scores, kind="stable")
    best = [item for item in order if items[item] not in (rated or ())][:top_k]
    return [
        {"place": place, "item_id": items[item], "predicted": float(scores[item])}
        for place, item in enumerate(best, start=1)
    ]


def describe_pairs(
    checkpoint: Checkpoint, user: int, items: Sequence[int] | np.ndarray
) -> list[dict[str, Any]]:
    """Predictions of one user for some items, with their parts."""
    codes = np.asarray(items, dtype=np.int64)
    parts = split_prediction(checkpoint.model, np.full(len(codes), user), codes)
    return [
        {
            "place": place, "item_id": checkpoint.names.items[code],
            "predicted": float(parts.total[place - 1]),
            **{f"part_{name}": float(value[place - 1]) for name, value in vars(parts).items()},
        }
        for place, code in enumerate(codes, start=1)
    ]  # fmt: skip


def explain_pair(ask: Ask, user: str, item: str) -> dict[str, Any]:
    """The prediction of one pair in parts; in the warehouse also what reviews say of the item."""
    checkpoint, where = open_recommender(ask)
    names = checkpoint.names
    for kind, wanted, known in (("user", user, names.users), ("item", item, names.items)):
        if wanted not in known:
            raise InputError(
                f"the recommender does not know the {kind} {wanted!r}; it knows {len(known):,}, "
                f"such as {', '.join(known[:3])}"
            )
    row = describe_pairs(checkpoint, names.users.index(user), [names.items.index(item)])[0]
    row.pop("place")
    answer = {**where, "user": user, **row}
    if ask.model is None:
        answer["attributes"] = list_praise(load_settings(ask.config), where["source"], item)
    return answer


def list_praise(settings: Settings, source: str, item: str) -> list[dict[str, Any]]:
    """Attributes that reviews of the item speak of, with effects and a sentence of praise."""
    with resolve_site(settings).warehouse.connect() as connection:
        rows = fetch_dicts(
            connection, read_sql("marts/item_attributes"), {"source": source, "item_id": item}
        )
    for row in rows:
        text, start, end = row.pop("text"), row.pop("span_start"), row.pop("span_end")
        row["sentence"] = text[start:end].strip()[:200] if text and start is not None else ""
    return rows


def find_scale(checkpoint: Checkpoint) -> Sequence[float] | None:
    """Lowest and highest rating that a recommender learned of."""
    scale: Sequence[float] | None = checkpoint.card.get("scale")
    return scale


def check_seen(ask: Ask, seen: str | None, kind: str, options: Options) -> None:
    """Raises ConfigError for what is said of ratings to leave out where none are read."""
    if seen is not None and ask.model is None:
        raise ConfigError(
            f"--seen {seen} is for a recommender in a file (--model); a night's list leaves out what "
            "was rated up to it, so leave --seen out"
        )
    if seen is None and (kind != "table" or options != PLAIN):
        raise ConfigError(
            "--seen-source and --scale say what ratings to leave out are; name these by --seen, or "
            "leave both out"
        )


def read_seen(
    path: str | None, kind: str, options: Options = PLAIN, *, scale: Sequence[float] | None = None
) -> Ratings | None:
    """Ratings to leave out of lists, on the `scale` that the recommender learned unless told."""
    if path is None:
        return None
    if scale is not None and options.scale is None and kind != "open-bandit":
        options = replace(options, scale=(scale[0], scale[1]))
    return load_training(kind, path, options=options)[0]
