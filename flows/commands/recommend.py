"""The commands `whyrec recommend fit | evaluate | top | explain`."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from flows.commands.options import Config, Json, split_names
from flows.console import (
    PROGRESS,
    explain_errors,
    print_json,
    print_line,
    print_table,
    show_progress,
)
from tasks.platform.numbers import tell_signed

RatingsPath = Annotated[str, typer.Argument(help="Folder or file of the ratings.")]
Kind = Annotated[str, typer.Option(help="coat, movielens, open-bandit, or table (CSV, Parquet).")]
ModelFile = Annotated[
    str | None, typer.Option("--model", help="A file that recommend fit wrote; else the newest night's.")
]  # fmt: skip
SourceName = Annotated[
    str | None, typer.Option(help="Source of the warehouse; needed where several have one.")
]
User = Annotated[str, typer.Option(help="The user's id.")]
LogFolder = Annotated[
    str | None, typer.Option(help="Folder for TensorBoard's scalars of the training.")
]
Scale = Annotated[
    str | None,
    typer.Option(help="Lowest and highest rating, as in 1,10 or 0,1; default 1 to 5, or .5 to 5."),
]
Sample = Annotated[
    str | None,
    typer.Option(
        "--random-sample",
        help="Table of ratings exposed at random, not the test: propensities by naive Bayes.",
    ),
]
Seed = Annotated[int, typer.Option(min=0, max=2**32 - 1)]
PARTS = ("part_mean", "part_user", "part_item", "part_interaction", "part_features")
PART_WORDS = ("mean", "user", "item", "match", "features")


def register(app: typer.Typer) -> None:
    """Add `recommend` and its commands to `whyrec`."""
    room = typer.Typer(
        help="Recommend, corrected for selection as far as it is known.", no_args_is_help=True
    )
    app.add_typer(room, name="recommend")
    room.callback()(describe)
    room.command("fit")(recommend_fit)
    room.command("evaluate")(recommend_evaluate)
    room.command("top")(recommend_top)
    room.command("explain")(recommend_explain)
    room.command("text")(recommend_text)


def describe() -> None:
    """Recommend, corrected for selection as far as it is known."""


def recommend_fit(
    path: RatingsPath,
    source: Kind,
    out: Annotated[
        str, typer.Option(help="Where the recommender goes.")
    ] = "recommender.safetensors",
    model: Annotated[
        str, typer.Option(help="Of bias, mf, mf-ips, features, ips, snips, dr, stabledr.")
    ] = "ips",
    scale: Scale = None,
    sample: Sample = None,
    seed: Seed = 0,
    device: Annotated[str, typer.Option(help="cpu, cuda, or auto.")] = "auto",
    log_folder: LogFolder = None,
    is_json: Json = False,
) -> None:
    """Fit a recommender to all ratings of a file (but a random test that it brings) and keep it.

    Example: whyrec recommend fit data/coat --source coat --out coat.safetensors
    """
    with explain_errors(is_json=is_json):
        from flows.desk.recommenders import Given, fit_file
        from tasks.platform.devices import choose_device
        from tasks.recommend.fit import Plan

        plan = Plan(model=model, seed=seed, device=choose_device(read_device(device)))
        with show_progress(is_shown=not is_json):
            given = Given(read_options(scale), sample)
            card = fit_file(path, source, plan, out, given=given, log_folder=log_folder)
        if is_json:
            print_json(card)
        else:
            doubts = card.pop("doubts")
            print_table(f"recommender in {card['path']}", ("of", "is"), list(card.items()))
            for doubt in doubts:
                print_line(doubt)


def read_options(scale: str | None, relevant: float | None = None) -> Any:
    """What is said of ratings; raises ConfigError for a scale that is no two numbers."""
    from tasks.platform.errors import ConfigError
    from tasks.recommend.sources import Options

    if scale is None:
        return Options(relevant=relevant)
    try:
        low, high = (float(part) for part in scale.split(","))
    except ValueError:
        raise ConfigError(
            f"--scale {scale}: give the lowest and the highest rating, as in --scale 1,10"
        ) from None
    return Options((low, high), relevant)


def read_device(name: str) -> Any:
    """The name of a device; raises ConfigError for another."""
    from tasks.platform.errors import ConfigError

    if name not in ("cpu", "cuda", "auto"):
        raise ConfigError(f"there is no device {name!r}; choose of cpu, cuda, auto")
    return name


def recommend_evaluate(
    path: RatingsPath,
    source: Kind,
    models: Annotated[
        str, typer.Option(help="Of bias, mf, mf-ips, features, ips, snips, dr, stabledr.")
    ] = "mf,features,ips,dr",
    seeds: Annotated[int, typer.Option(min=1, max=1000, help="Trainings per model.")] = 10,
    scale: Scale = None,
    relevant: Annotated[
        float | None,
        typer.Option(help="Ratings from here on are relevant; default the middle of the scale."),
    ] = None,
    sample: Sample = None,
    is_json: Json = False,
) -> None:
    """Compare naive with debiased recommenders on randomly exposed ratings.

    Example: whyrec recommend evaluate --source coat data/coat --models mf,features,ips,dr
    """
    with explain_errors(is_json=is_json):
        from flows.desk.recommenders import Given, evaluate_file

        answer = evaluate_file(
            path, source, split_names(models), seeds=seeds,
            given=Given(read_options(scale, relevant), sample),
        )  # fmt: skip
        if is_json:
            print_json(answer)
        else:
            show_comparison(answer)


ERRORS = ("mse", "mae", "auc", "ndcg_at_5", "recall_at_5")
LISTS = ("bias", "calibration_error", "coverage", "gini", "popularity_lift")


def show_comparison(answer: dict[str, Any]) -> None:
    """Figures of every model, debiased against naive, and what the figures cannot say."""
    test = "random exposure" if answer["is_random_test"] else "held-out ratings, not random"
    title = f"{answer['source']}: {answer['n_test']:,} ratings, {test}"
    for heading, figures in ((title, ERRORS), ("errors on average, and what is listed", LISTS)):
        rows = [
            (row["model"], *(_show_spread(row.get(name)) for name in figures))
            for row in (*answer["models"], answer["baseline"])
        ]
        print_table(heading, ("model", *figures), rows)
    for row in answer["comparisons"]:
        print_line(tell_comparison(row))
    print_line(
        f"propensities: {answer['propensities']}, {answer['n_propensities_clipped']:,} of "
        f"{answer['n_train']:,} raised to {answer['propensity_floor']:.2g}"
    )
    for doubt in answer["doubts"]:
        print_line(doubt)


def _show_spread(value: Any) -> str:
    if value is None:
        return "no result"
    if isinstance(value, float):
        return f"{value:.4f}"
    spread = "" if value["sd"] is None else f" ± {value['sd']:.4f}"
    return f"{value['mean']:.4f}{spread}"


def tell_comparison(row: Mapping[str, Any]) -> str:
    """A debiased model beside the naive one of the same parts, in words."""
    size = "more" if row["mse_gain"] < 0 else "less"
    words = {"worse": "WORSE", "no difference": "no difference beyond chance",
             "cannot tell": "this test cannot tell which is better"}  # fmt: skip
    between = "" if row["low"] is None else f" (gain {row['low']:+.4f} to {row['high']:+.4f})"
    return (
        f"{row['model']} against {row['naive']}: squared error {abs(row['mse_gain']):.4f} {size}{between}; "
        f"{words.get(row['verdict'], row['verdict'])}"
    )


def recommend_top(
    user: User,
    top_k: Annotated[int, typer.Option("--k", min=1, max=1000, help="Items to list.")] = 10,
    model: ModelFile = None,
    source: SourceName = None,
    seen: Annotated[
        str | None, typer.Option(help="Ratings whose items are left out; with --model.")
    ] = None,
    seen_source: Annotated[str, typer.Option(help="What --seen is, as --source of fit.")] = "table",
    scale: Scale = None,
    config: Config = None,
    is_json: Json = False,
) -> None:
    """List items for a user, each prediction in its parts; items rated before are left out.

    A recommender in a file holds no ratings: name them by --seen.

    Example: whyrec recommend top --user A1YMTFCRLSR8PK
    """
    with explain_errors(is_json=is_json):
        from flows.desk.recommenders import (
            Ask,
            check_seen,
            find_scale,
            list_fitted,
            list_stored,
            open_recommender,
            read_seen,
        )

        ask, options = Ask(model, source, config), read_options(scale)
        check_seen(ask, seen, seen_source, options)
        if model is None:
            answer = list_stored(ask, user, top_k=top_k)
        else:
            opened = open_recommender(ask)
            learned = find_scale(opened[0])
            rated = read_seen(seen, seen_source, options, scale=learned)
            answer = list_fitted(opened, user, top_k=top_k, seen=rated)
        if is_json:
            print_json(answer)
        else:
            show_list(answer)


def show_list(answer: Mapping[str, Any]) -> None:
    """A row per item: its prediction and the parts of it."""
    known = answer["is_known"]
    title = f"{answer['user']}" + ("" if known else ": never seen, what suits all users")
    names = ("place", "item_id", "predicted", *(PARTS if known else ()))
    rows = [[_format(row[name]) for name in names] for row in answer["items"]]
    if rows:
        print_table(title, ("place", "item", "predicted", *(PART_WORDS if known else ())), rows)
    for note in answer["notes"]:
        print_line(note)


def _format(value: object) -> str:
    return f"{value:.2f}" if isinstance(value, float) else f"{value}"


def recommend_explain(
    user: User,
    item: Annotated[str, typer.Option(help="The item's id.")],
    model: ModelFile = None,
    source: SourceName = None,
    config: Config = None,
    is_json: Json = False,
) -> None:
    """Say why a user is predicted a rating of an item: in parts, and in what reviews praise.

    Example: whyrec recommend explain --user A1YMTFCRLSR8PK --item B0002E1G5C
    """
    with explain_errors(is_json=is_json):
        from flows.desk.recommenders import Ask, explain_pair

        answer = explain_pair(Ask(model, source, config), user, item)
        if is_json:
            print_json(answer)
            return
        rows = [
            (word, tell_signed(answer[part])) for word, part in zip(PART_WORDS, PARTS, strict=True)
        ]
        print_table(
            f"{user} and {item}: predicted {answer['predicted']:.2f}", ("part", "points"), rows
        )
        show_praise(answer.get("attributes", ()))


def show_praise(attributes: Sequence[Mapping[str, Any]]) -> None:
    """What reviews say of the item, attribute by attribute."""
    rows = [
        (
            row["attribute"],
            f"{row['n_positive']} + / {row['n_negative']} -",
            "no result"
            if row["effect"] is None
            else f"{tell_signed(row['effect'])} ({row['verdict']})",
            row["sentence"],
        )
        for row in attributes
    ]
    if rows:
        names = ("attribute", "reviews", "effect of praise", "a sentence")
        print_table("What reviews say of the item", names, rows)


def recommend_text(
    path: Annotated[str, typer.Argument(help="CSV, JSON lines or Parquet file of rated texts.")],
    text: Annotated[str, typer.Option(help="Column of the text.")],
    rating: Annotated[str, typer.Option(help="Column of the rating.")],
    propensity: Annotated[
        str | None, typer.Option(help="Column of the chance that the review was written.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, max=100, help="Splits and trainings.")] = 5,
    relevant: Annotated[float, typer.Option(help="Ratings from here on count as relevant.")] = 4.0,
    limit: Annotated[int | None, typer.Option(min=50, help="Rows to take, at random.")] = None,
    out: Annotated[str | None, typer.Option(help="Where a model of all rows goes.")] = None,
    log_folder: LogFolder = None,
    config: Config = None,
    is_json: Json = False,
) -> None:
    """Predict ratings from what reviews say, and compare with simpler ways.

    Example: whyrec recommend text reviews.csv --text body --rating stars
    """
    with explain_errors(is_json=is_json):
        from flows.desk.text_ratings import compare_text_ratings

        with show_progress(is_shown=not is_json):
            answer = compare_text_ratings(
                path, text=text, rating=rating, propensity=propensity, seeds=seeds,
                relevant=relevant, limit=limit, out=out, log_folder=log_folder, config=config,
                progress=tell_encoded,
            )  # fmt: skip
        if is_json:
            print_json(answer)
        else:
            show_texts(answer)


def tell_encoded(done: int, total: int) -> None:
    """Pass on how many texts are encoded."""
    if tell := PROGRESS.get():
        tell("encode texts", done, total)


def show_texts(answer: Mapping[str, Any]) -> None:
    """A row per model, mean ± standard deviation over splits."""
    rows = [
        (row["model"], *(_show_spread(row.get(name)) for name in ("mse", "mae", "auc")))
        for row in answer["models"]
    ]  # fmt: skip
    title = f"{answer['n']:,} texts, {answer['seeds']} splits; {answer['left_out']:,} rows left out"
    print_table(title, ("model", "mse", "mae", "auc"), rows)
