"""The command `whyrec recommend evaluate`."""

from typing import Annotated, Any

import typer

from flows.console import explain_errors, print_json, print_table
from flows.options import Json, split_names


def register(app: typer.Typer) -> None:
    """Add `recommend` and its commands to `whyrec`."""
    room = typer.Typer(help="Recommend, free of selection bias.", no_args_is_help=True)
    app.add_typer(room, name="recommend")
    room.callback()(describe)
    room.command("evaluate")(recommend_evaluate)


def describe() -> None:
    """Recommend, free of selection bias."""


def recommend_evaluate(
    path: Annotated[str, typer.Argument(help="Folder or file of the ratings.")],
    source: Annotated[
        str, typer.Option(help="coat, movielens, open-bandit, or table (CSV, Parquet).")
    ],
    models: Annotated[
        str, typer.Option(help="Of bias, mf, mf-ips, features, ips, snips, dr, stabledr.")
    ] = "mf,features,ips,dr",
    seeds: Annotated[int, typer.Option(min=1, max=1000, help="Trainings per model.")] = 10,
    is_json: Json = False,
) -> None:
    """Compare naive with debiased recommenders on randomly exposed ratings.

    Example: whyrec recommend evaluate --source coat data/coat --models mf,features,ips,dr
    """
    with explain_errors(is_json=is_json):
        from tasks.recommend.evaluate import evaluate_models
        from tasks.recommend.sources import load_source

        answer = evaluate_models(load_source(source, path), split_names(models), seeds=seeds)
        if is_json:
            print_json(answer)
        else:
            show_answer(answer)


def show_answer(answer: dict[str, Any]) -> None:
    """A row per model, each figure as mean ± standard deviation over seeds."""
    figures = ("mse", "mae", "auc", "ndcg_at_5", "recall_at_5")
    rows = [
        (row["model"], *(
            f"{row[name]['mean']:.4f} ± {row[name]['sd']:.4f}" if name in row else "no result"
            for name in figures
        ))
        for row in answer["models"]
    ]  # fmt: skip
    test = "random exposure" if answer["is_random_test"] else "held-out ratings, not random"
    print_table(
        f"{answer['source']}: {answer['n_test']:,} ratings, {test}", ("model", *figures), rows
    )
