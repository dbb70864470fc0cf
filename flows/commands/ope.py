"""`whyrec effects ope` and `whyrec effects position`: questions to a log of decisions."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from flows.commands.options import Config, Json, split_names
from flows.console import explain_errors, print_json, print_line, print_table

LogFile = Annotated[
    str, typer.Argument(help="Log: CSV, TSV, Parquet or Stata file, or clean.exposures.")
]
Action = Annotated[str | None, typer.Option(help="Column of the action (default item_id, …).")]
Reward = Annotated[str | None, typer.Option(help="Column of the reward (default click, …).")]
Propensity = Annotated[
    str | None,
    typer.Option(
        help="Column of the logged chance (default propensity_score, …); 'estimate' counts it, or learns it from --context."
    ),
]
Position = Annotated[
    str | None, typer.Option(help="Column of the position (default position, …); 'none' for none.")
]
Context = Annotated[
    str | None, typer.Option(help="Columns known before the action, a,b,c, for the models.")
]
Cluster = Annotated[
    str | None,
    typer.Option(help="Column whose rows are not independent (default user_id, …); 'none'."),
]


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command("ope")(effects_ope)
    app.command("position")(effects_position)


def effects_ope(
    log: LogFile,
    target_policy: Annotated[
        str,
        typer.Option(
            help="uniform, always:ACTION, column:NAME (its chance of the logged action), columns:p_{} (of every action, a column each) or the path of another log."
        ),
    ],
    action: Action = None,
    reward: Reward = None,
    propensity: Propensity = None,
    position: Position = None,
    context: Context = None,
    target_context: Annotated[
        str | None,
        typer.Option(help="Columns by which the target's chances are counted, beside position."),
    ] = None,
    cluster: Cluster = None,
    estimators: Annotated[str, typer.Option(help="Which, a,b.")] = "ips,snips,dm,dr,dros",
    catalogue: Annotated[
        int | None, typer.Option(min=1, help="Actions that 'uniform' has (default those logged).")
    ] = None,
    config: Config = None,
    is_json: Json = False,
) -> None:
    """Estimate what another policy would have earned, from the log of the one that ran.

    Example: whyrec effects ope random/men.csv --target-policy bts/men.csv

    Example: whyrec effects ope log.csv --target-policy "columns:new_{}" --context age,device
    """
    with explain_errors(is_json=is_json):
        from flows.desk.policies import evaluate_policy_file

        answer = evaluate_policy_file(
            log,
            target_policy=target_policy,
            action=action,
            reward=reward,
            propensity=propensity,
            position=position,
            context=split_names(context),
            target_context=split_names(target_context),
            cluster=cluster,
            estimators=split_names(estimators),
            catalogue=catalogue,
            config=config,
        )
        if is_json:
            print_json(answer)
        else:
            _show_values(answer)


def effects_position(
    log: LogFile,
    action: Action = None,
    reward: Reward = None,
    position: Position = None,
    propensity: Propensity = None,
    context: Context = None,
    cluster: Cluster = None,
    config: Config = None,
    is_json: Json = False,
) -> None:
    """Estimate what a lower position does to the click, with the naive difference beside.

    Example: whyrec effects position random/men.csv --context user_feature_0,user_feature_1
    """
    with explain_errors(is_json=is_json):
        from flows.desk.policies import estimate_position_file

        answer = estimate_position_file(
            log,
            action=action,
            reward=reward,
            position=position,
            propensity=propensity,
            context=split_names(context),
            cluster=cluster,
            config=config,
        )
        if is_json:
            print_json(answer)
        else:
            _show_positions(answer)


def _show_values(answer: Mapping[str, Any]) -> None:
    rows: list[tuple[str, ...]] = [("the log itself", _range(answer["behaviour"], "value"), "", "")]
    for row in answer["estimates"]:
        size = f"{row['effective_sample_size']:,.0f}"
        lift = _range(row["lift"], "estimate", is_signed=True)
        rows.append((row["estimator"], _range(row, "estimate"), lift, size))
    if answer["target_on_policy"] is not None:
        rows.append(("the target's own log", _range(answer["target_on_policy"], "value"), "", ""))
    title = f"Value of {answer['target']['policy']}, {answer['n']:,} rows, {answer['actions']:,} actions"
    print_table(title, ("", "value, 95%", "lift, 95%", "worth rows"), rows)
    print_line(f"verdict: {answer['verdict']}")
    _show_reasons(answer["reasons"])
    missing = {row["reason"] for row in answer["estimates"] if row["reason"]}
    _show_reasons(sorted(missing))


def _show_positions(answer: Mapping[str, Any]) -> None:
    columns = ("position", "effect, 95%", "ratio, 95%", "naive, 95%", "rows", "verdict")
    rows = [
        (
            row["position"],
            _range(row, "estimate", is_signed=True),
            _range(row, "ratio", prefix="ratio_"),
            _range(row, "naive", prefix="naive_", is_signed=True),
            row["n"],
            row["verdict"],
        )
        for row in answer["positions"]
    ]
    print_table(f"Effect of standing lower than position {answer['reference']}", columns, rows)
    _show_reasons(list(dict.fromkeys(r for row in answer["positions"] for r in row["reasons"])))


def _show_reasons(reasons: Sequence[str]) -> None:
    for reason in reasons:
        print_line(f"  {reason}")


def _range(row: Mapping[str, Any], key: str, *, prefix: str = "", is_signed: bool = False) -> str:
    """A value with its interval, to three significant digits: clicks are counted in thousandths."""
    if row[key] is None:
        return "no result"
    sign = "+" if is_signed else ""
    low, high = row[f"{prefix}ci_low"], row[f"{prefix}ci_high"]
    return f"{row[key]:{sign}.3g} ({low:{sign}.3g} to {high:{sign}.3g})"
