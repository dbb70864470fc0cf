"""The commands `whyrec effects estimate | refute | explain`."""

from typing import Annotated, Any

import typer

from flows.commands.options import Config, Json, parse_date, split_names
from flows.console import explain_errors, print_json, print_line, print_table
from tasks.platform.numbers import tell_estimate

Table = Annotated[
    str,
    typer.Argument(help="CSV, TSV, Parquet or Stata file, or a table as clean.exposures."),
]
Outcome = Annotated[str, typer.Option(help="Column of the outcome (a number).")]
Treatment = Annotated[str, typer.Option(help="Column of the treatment (0/1 or a number).")]
Controls = Annotated[str | None, typer.Option(help="Columns that precede the treatment, a,b,c.")]
TextControls = Annotated[
    str | None, typer.Option(help="Columns of text that precede the treatment, a,b.")
]
Cluster = Annotated[str | None, typer.Option(help="Column whose rows are not independent.")]
Penalty = Annotated[
    str, typer.Option(help="Ridge penalty of plr, or 'auto' to choose it by cross-validation.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to `whyrec effects`."""
    app.command("estimate")(effects_estimate)
    app.command("refute")(effects_refute)
    app.command("explain")(effects_explain)


def effects_estimate(
    table: Table,
    outcome: Outcome,
    treatment: Treatment,
    controls: Controls = None,
    text_controls: TextControls = None,
    cluster: Cluster = None,
    segments: Annotated[
        str | None, typer.Option(help="Columns to show the effect by, a,b.")
    ] = None,
    estimators: Annotated[
        str | None,
        typer.Option(
            help="Of plr, dml, irm, balance, forest, ipw, diff, lin, cuped; default by the question."
        ),
    ] = None,
    estimand: Annotated[
        str, typer.Option(help="ate: over all rows; att: the treated; atc: the untreated.")
    ] = "ate",
    experiment: Annotated[
        bool, typer.Option("--experiment", help="The treatment was randomised.")
    ] = False,
    expected_share: Annotated[
        float | None, typer.Option(help="Share that was meant to be treated, for an experiment.")
    ] = None,
    tests: Annotated[
        str | None, typer.Option(help="Column naming the experiment of each row; they are pooled.")
    ] = None,
    cate_out: Annotated[
        str | None, typer.Option(help="CSV file for the effect of every row: row,cate.")
    ] = None,
    penalty: Penalty = "1.0",
    config: Config = None,
    is_json: Json = False,
) -> None:
    """Estimate what a treatment does to an outcome, with the naive difference beside.

    Example: whyrec effects estimate trial.csv --outcome visit --treatment mail --controls recency,history

    Example: whyrec effects estimate jobs.dta --outcome re78 --treatment treat --controls age,educ
    --estimand att --estimators irm,ipw
    """
    with explain_errors(is_json=is_json):
        from flows.desk.questions import estimate_source

        answer = estimate_source(
            table,
            {
                "outcome": outcome,
                "treatment": treatment,
                "controls": split_names(controls),
                "cluster": cluster,
            },
            text_controls=split_names(text_controls),
            segments=split_names(segments),
            tests=tests,
            cate_out=cate_out,
            config=config,
            estimators=None if estimators is None else split_names(estimators),
            estimand=estimand,
            is_experiment=experiment,
            expected_share=expected_share,
            penalty=parse_penalty(penalty),
        )
        if is_json:
            print_json(answer)
        else:
            show_answer(answer)


def effects_refute(
    table: Table,
    outcome: Outcome,
    treatment: Treatment,
    controls: Controls = None,
    text_controls: TextControls = None,
    cluster: Cluster = None,
    time: Annotated[str | None, typer.Option(help="Column that orders the rows in time.")] = None,
    negative_controls: Annotated[
        str | None, typer.Option(help="Columns that the treatment cannot have caused, a,b.")
    ] = None,
    penalty: Penalty = "1.0",
    config: Config = None,
    is_json: Json = False,
) -> None:
    """Try to prove an estimate wrong: placebos, noise, halves, negative controls, sensitivity.

    Example: whyrec effects refute shop.csv --outcome rating --treatment promoted --controls price,brand
    --time day
    """
    with explain_errors(is_json=is_json):
        from flows.desk.questions import refute_source

        answer = refute_source(
            table,
            {
                "outcome": outcome,
                "treatment": treatment,
                "controls": split_names(controls),
                "cluster": cluster,
            },
            text_controls=split_names(text_controls),
            time=time,
            negative_controls=split_names(negative_controls),
            penalty=parse_penalty(penalty),
            config=config,
        )
        if is_json:
            print_json(answer)
            return
        show_refutations(f"{treatment} → {outcome}", answer["estimate"], answer["refutations"])
        show_verdict(answer)


def effects_explain(
    attribute: Annotated[str, typer.Argument(help="Attribute that a night has an effect of.")],
    source: Annotated[str | None, typer.Option(help="Source; default all.")] = None,
    window: Annotated[str, typer.Option(help="Window, as all or 28d.")] = "all",
    contrast: Annotated[
        str, typer.Option(help="negative_to_positive, positive or negative.")
    ] = "negative_to_positive",
    as_of: Annotated[
        str | None, typer.Option(help="Date of the night; default the newest.")
    ] = None,
    config: Config = None,
    is_json: Json = False,
) -> None:
    """Say why a night believes an effect or does not: its numbers and what was tried on it.

    Example: whyrec effects explain price --window 28d
    """
    with explain_errors(is_json=is_json):
        from flows.explain import explain_effect

        answer = explain_effect(
            attribute, source=source, window=window, contrast=contrast, as_of=parse_date(as_of),
            config=config,
        )  # fmt: skip
        if is_json:
            print_json(answer)
            return
        for row in answer["effects"]:
            head = f"{row['source']}, {row['attribute']}, window {row['window_name']}, night {row['as_of']}"
            show_refutations(f"{head} ({row['estimator']})", row, row["refutations"])
            show_verdict(row)


def parse_penalty(text: str) -> Any:
    """A ridge penalty: a number from 0, or "auto"."""
    from tasks.platform.errors import ConfigError

    if text == "auto":
        return text
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise ConfigError(f"--penalty {text!r}: allowed are numbers from 0, and auto")
    return value


def show_answer(answer: dict[str, Any]) -> None:
    """An answer as a table, a verdict and reasons."""
    naive = answer["naive"]
    rows = [("naive", "", naive["estimate"], naive["ci_low"], naive["ci_high"], answer["n"], "")]
    rows += [
        (
            e["estimator"],
            e["estimand"],
            e["estimate"],
            e["ci_low"],
            e["ci_high"],
            e["n"],
            e["verdict"],
        )
        for e in answer["estimates"]
    ]
    print_table(
        f"{answer['treatment']} → {answer['outcome']}",
        ("estimator", "estimand", "estimate", "low", "high", "n", "verdict"),
        rows,
    )
    for segment in answer.get("segments", []):
        print_table(
            f"by {segment['segment']} ({segment['estimator']}, {segment['estimand']})",
            ("level", "estimate", "low", "high", "n", ""),
            [
                (
                    one["level"],
                    one["estimate"],
                    one["ci_low"],
                    one["ci_high"],
                    one["n"],
                    one["reason"] or "",
                )
                for one in segment["levels"]
            ],
        )
        print_line(segment["reason"])
    if "tests" in answer:
        numbers = ("estimate", "ci_low", "ci_high")
        rows = [
            (one["test"], *(one[name] for name in numbers), one["n"], one["verdict"])
            for one in answer["tests"]
        ]
        pooled = answer["pooled"]
        rows.append(("pooled", *(pooled[name] for name in numbers), "", pooled["verdict"]))
        print_table("by test", ("test", "estimate", "low", "high", "n", "verdict"), rows)
        print_line(answer["pooled"]["reason"])
    show_verdict(answer)


def show_refutations(title: str, estimate: dict[str, Any], lines: list[dict[str, Any]]) -> None:
    """An estimate and what was tried on it."""
    print_line(
        f"{title}: {tell_estimate(estimate)}"
        if estimate["estimate"] is not None
        else f"{title}: no result"
    )
    columns = ("refuter", "result", "then", "low", "high")
    shown = ("refuted", "ci_low", "ci_high")
    rows = [
        (
            one["refuter"],
            one["result"],
            *("" if one[name] is None else one[name] for name in shown),
        )
        for one in lines
    ]
    print_table("tried on it", columns, rows)
    for one in lines:
        if one["note"] and not one["reason"]:
            print_line(f"- {one['refuter'].replace('_', ' ')}: {one['note']}")


def show_verdict(answer: dict[str, Any]) -> None:
    """The verdict and its reasons."""
    print_line(f"verdict: {answer['verdict']}")
    for reason in answer["reasons"]:
        print_line(f"- {reason}")
