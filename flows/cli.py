"""The `whyrec` command. Every command has --json and an example in its --help.

Exit codes: 0 done, 1 failed, 2 bad arguments or settings, 3 the quality gate stopped it.
"""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from flows.commands import attack, attributes, effects, graph, keep, ope, recommend, up
from flows.commands.options import Config, Json, parse_date
from flows.console import (
    end_process,
    explain_errors,
    print_json,
    print_line,
    print_note,
    print_table,
    silence_exit,
)
from flows.starting import start_flow
from tasks.platform.errors import ConfigError
from tasks.platform.schema import TableName
from tasks.platform.settings import SourceKind, load_settings
from tasks.platform.site import resolve_site

app = typer.Typer(
    name="whyrec",
    help="What causes ratings and clicks on a recommender platform, checked every night.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
effects_app = typer.Typer(help="Causal effects in any table.", no_args_is_help=True)
attributes_app = typer.Typer(help="What texts say of attributes.", no_args_is_help=True)
attack_app = typer.Typer(
    help="Attacks, what they change, and what stops them.", no_args_is_help=True
)
app.add_typer(effects_app, name="effects")
app.add_typer(attributes_app, name="attributes")
app.add_typer(attack_app, name="attack")

Stage = Literal["ingest", "text", "effects", "recommend", "attacks", "all"]
effects.register(effects_app)
ope.register(effects_app)
graph.register(effects_app)
attributes.register(app, attributes_app)
recommend.register(app)
up.register(app)
attack.register(attack_app)
keep.register(app)


def show_account(document: dict[str, Any], *, is_json: bool) -> None:
    """The account of a run, as the JSON contract or as lines and a table."""
    if is_json:
        print_json(document)
        return
    rows, tasks = document["rows"], document["tasks"]
    print_line(
        f"{document['flow']} as of {document['as_of']}: {rows['read']:,} rows read = {rows['published']:,} "
        f"published + {rows['quarantined']:,} quarantined + {rows['duplicate']:,} duplicate"
        + (f" + {rows['held']:,} held back" if rows.get("held") else "")
    )
    print_line("tasks: " + ", ".join(f"{count:,} {state}" for state, count in tasks.items()))
    print_line(f"snapshot {document['snapshot']}, {document['seconds']:.1f} s")
    if document.get("report"):
        print_line(f"report: {document['report']}")
    for message in document.get("messages", []):
        print_note(message)


@app.command()
def nightly(
    as_of: Annotated[
        str | None, typer.Option(help="Last date to see; default the newest with data.")
    ] = None,
    config: Config = None,
    force: Annotated[bool, typer.Option("--force", help="Do again what is already done.")] = False,
    is_json: Json = False,
) -> None:
    """Run one night: ingest, gate, publish, embed, extract, estimate, report.

    Example: whyrec nightly --as-of 2024-03-30
    """
    with explain_errors(is_json=is_json):
        day = parse_date(as_of)

        def run() -> dict[str, Any]:
            from flows import nightly as module

            return module.nightly(as_of=day, config=config, force=force)

        show_account(start_flow(config, run, is_json=is_json), is_json=is_json)


@app.command()
def backfill(
    start: Annotated[str, typer.Option(help="First date, YYYY-MM-DD.")],
    end: Annotated[str, typer.Option(help="Last date, YYYY-MM-DD.")],
    config: Config = None,
    concurrency: Annotated[int, typer.Option(min=1, max=64, help="Tasks at a time.")] = 4,
    only: Annotated[
        Stage, typer.Option(help="How far nights go: a stage and what it needs.")
    ] = "all",
    force: Annotated[bool, typer.Option("--force", help="Do finished nights again.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would run, and why.")
    ] = False,
    reason: Annotated[str, typer.Option(help="Why; kept in marts.backfills.")] = "",
    is_json: Json = False,
) -> None:
    """Run the nightly function over past dates; finished nights are kept.

    Who asked, when, why and how it ended is kept in marts.backfills. Killed half-way, the same command
    goes on where it was.

    Example: whyrec backfill --start 2024-03-01 --end 2024-03-29 --reason "ratings of March corrected"
    """
    with explain_errors(is_json=is_json):
        first, last = parse_date(start), parse_date(end)
        if first is None or last is None:
            raise ConfigError("--start and --end are needed; write dates as 2024-03-01")
        if dry_run:
            show_plan(first, last, config, is_forced=force, is_json=is_json)
            return

        def run() -> dict[str, Any]:
            from flows import backfill as module

            return module.backfill(
                start=first, end=last, config=config, only=only, force=force,
                concurrency=concurrency, reason=reason,
            )  # fmt: skip

        document = start_flow(config, run, is_json=is_json)
        show_account(document, is_json=is_json)
        if not is_json:
            print_line(
                f"nights: {document['run']} run, {document['kept']} kept, {document['skipped']} without data"
            )


def show_plan(
    first: date, last: date, config: str | None, *, is_forced: bool, is_json: bool
) -> None:
    """What a backfill would do, date by date."""
    from flows.backfill import describe_plan
    from flows.backfill_plan import plan_backfill

    plan = plan_backfill(load_settings(config), first, last, is_forced=is_forced)
    if is_json:
        print_json(describe_plan(plan))
        return
    print_table(
        "backfill plan", ("date", "action", "why"), [(n.day, n.action, n.why) for n in plan]
    )


@app.command("import")
def import_(
    path: Annotated[str, typer.Argument(help="File or URL to import.")],
    source: Annotated[SourceKind, typer.Option(help="Kind of the file.")],
    name: Annotated[str | None, typer.Option(help="Name of the source; default its kind.")] = None,
    items: Annotated[str | None, typer.Option(help="File of item metadata.")] = None,
    table: Annotated[
        TableName | None, typer.Option(help="Table that the file holds; default found out.")
    ] = None,
    mapping: Annotated[
        str | None, typer.Option(help="TOML file that maps columns, for kind 'mapping'.")
    ] = None,
    config: Config = None,
    is_json: Json = False,
) -> None:
    """Import bulk history: every row is published, quarantined with a reason, or a counted duplicate.

    The file at a place is one delivery: imported again it replaces what it brought before. Of rows
    that two deliveries share the later import's count.

    Example: whyrec import Musical_Instruments_5.json --source amazon-2014 --items meta.csv
    """
    with explain_errors(is_json=is_json):

        def run() -> dict[str, Any]:
            from flows import imports as module

            return module.import_history(
                path=path,
                source=source,
                name=name,
                items=items,
                table=table,
                mapping=mapping,
                config=config,
            )

        document = start_flow(config, run, is_json=is_json)
        show_account(document, is_json=is_json)
        if not is_json:
            for line in tell_refused(document["accounts"]):
                print_line(line)


def tell_refused(accounts: Sequence[dict[str, Any]]) -> list[str]:
    """Why rows of a delivery were not published, a line a table, and how to see them."""
    return [
        f"quarantined {one['table']}: "
        + ", ".join(f"{kind} ({count:,})" for kind, count in one["reasons"].items())
        + f"; to see them: whyrec tables quarantine.{one['table']} --rows {one['rows_quarantined']}"
        for one in accounts
        if one["rows_quarantined"]
    ]


@app.command()
def demo(
    folder: Annotated[
        str, typer.Option(help="Where the sample world and its warehouse go.")
    ] = "var/demo",
    is_json: Json = False,
) -> None:
    """Make a sample world whose true effects are known, and run a month of nights on it.

    Example: whyrec demo
    """
    with explain_errors(is_json=is_json):
        from flows.demo import compare_with_truth, prepare_demo, run_demo

        config = prepare_demo(Path(folder))
        document = start_flow(str(config), lambda: run_demo(config), is_json=is_json)
        comparison = compare_with_truth(config, document)
        if is_json:
            print_json({**document, "truth": comparison})
            return
        show_account(document, is_json=False)
        columns = ("attribute", "truth", "causal, 95%", "naive, 95%")
        print_table(
            "Stars from a complaint to praise",
            columns,
            [[row[name] for name in columns] for row in comparison],
        )


@app.command()
def report(
    as_of: Annotated[
        str | None, typer.Option(help="Date of the night; default the newest.")
    ] = None,
    open_: Annotated[bool, typer.Option("--open", help="Open it in a browser.")] = False,
    config: Config = None,
    is_json: Json = False,
) -> None:
    """What a night came to: verdict, changes, what to do, and where its report lies.

    With --json also everything the page shows, under "content".

    Example: whyrec report --as-of 2024-03-30 --open
    """
    with explain_errors(is_json=is_json):
        from flows.reports import find_report, tell_report

        document = find_report(resolve_site(load_settings(config)), parse_date(as_of))
        if is_json:
            print_json(document)
        else:
            for line in tell_report(document):
                print_line(line)
        if open_:
            typer.launch(document["report"])


@app.command()
def doctor(config: Config = None, is_json: Json = False) -> None:
    """Look for what most often is wrong with an installation, and say what to do.

    Example: whyrec doctor
    """
    with explain_errors(is_json=is_json):
        from flows.doctor.run import examine

        findings = examine(config)
        if is_json:
            print_json({"checks": [vars(finding) for finding in findings]})
        else:
            rows = [(f.mark, f.subject, f.found, f.advice) for f in findings]
            print_table("whyrec doctor", ("", "what", "found", "do"), rows)
        if not all(finding.is_well for finding in findings):
            raise SystemExit(1)


def main() -> None:
    """Entry point of the `whyrec` command."""
    silence_exit()
    try:
        app()
    except SystemExit as ending:
        code = ending.code
        end_process(code if isinstance(code, int) else int(code is not None))


if __name__ == "__main__":
    main()
