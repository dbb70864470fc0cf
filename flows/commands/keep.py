"""`whyrec tables`, `withdraw`, `prune`, `backup`, `restore`: keeping a warehouse in order."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from flows.commands.options import Config, Json
from flows.console import explain_errors, print_json, print_line, print_table, refuse_options
from tasks.platform.errors import ConfigError, InputError


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command()(tables)
    app.command()(withdraw)
    app.command()(prune)
    app.command()(backup)
    app.command()(restore)
    app.command()(alerts)


def tables(
    names: Annotated[
        list[str] | None, typer.Argument(help="Tables, as marts.effects; default all.")
    ] = None,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="As the page sql/TABLES.md is made.")
    ] = False,
    rows: Annotated[
        int | None, typer.Option(min=1, max=100_000, help="Show this many rows, the last written.")
    ] = None,
    config: Config = None,
    is_json: Json = False,
) -> None:
    """Say what the warehouse's tables and columns hold, or show the last rows of some.

    Example: whyrec tables marts.effects

    Example: whyrec tables quarantine.reviews --rows 20
    """
    from tasks.platform.tables import describe_tables, write_markdown

    with explain_errors(is_json=is_json):
        if rows is not None:
            refuse_options("of what tables hold, not of --rows; leave one out", markdown=markdown)
            show_rows(names or (), rows, config, is_json=is_json)
            return
        found = describe_tables(names or ())
        if is_json:
            print_json(
                {
                    "tables": [
                        {**vars(table), "columns": [vars(column) for column in table.columns]}
                        for table in found
                    ]
                }
            )
        elif markdown:
            typer.echo(write_markdown(found), nl=False)
        elif names:
            for table in found:
                print_line(f"{table.name}: {table.grain}")
                columns = [(column.name, column.kind, column.about) for column in table.columns]
                print_table(table.name, ("column", "type", "what"), columns)
        else:
            print_table(
                "Tables", ("table", "a row is"), [(table.name, table.grain) for table in found]
            )


def show_rows(names: Sequence[str], rows: int, config: str | None, *, is_json: bool) -> None:
    """The last rows of tables: a block of lines a row, or JSON."""
    from tasks.platform.settings import load_settings
    from tasks.platform.site import resolve_site
    from tasks.platform.tables import read_last

    if not names:
        raise ConfigError("--rows needs a table; name one, as whyrec tables quarantine.reviews")
    warehouse = resolve_site(load_settings(config)).warehouse
    if warehouse.is_absent:
        raise InputError(
            f"there is no warehouse at {warehouse.catalog_path}; import something, run a night, or see --config"
        )
    with warehouse.connect() as connection:
        found = {name: read_last(connection, name, rows=rows) for name in names}
    if is_json:
        print_json({"rows": found})
        return
    for name, each in found.items():
        print_line(f"{name}: the last {len(each):,} rows" if each else f"{name}: no rows")
        for row in each:
            shown = {key: value for key, value in row.items() if value is not None}
            print_line("")
            for key, value in shown.items():
                print_line(f"  {key}: {_make_printable(str(value))}")


def _make_printable(text: str) -> str:
    """Text of strangers without what steers a terminal."""
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)


def withdraw(
    source: Annotated[str, typer.Argument(help="Source of the delivery.")],
    delivery: Annotated[str, typer.Argument(help="Its date, or the file name of an import.")],
    reason: Annotated[str, typer.Option(help="Why; kept in raw.withdrawals.")] = "",
    undo: Annotated[
        bool, typer.Option("--undo", help="Let it be published again after all.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be taken back; change nothing.")
    ] = False,
    config: Config = None,
    is_json: Json = False,
) -> None:
    """Take a published delivery back: its days are what they were without it.

    Nights do not publish the same files again; a corrected delivery of that date they do. Reports of
    nights that stood on it stay as they are until they are made anew; the answer says how.

    Example: whyrec withdraw shop 2024-03-12 --reason "ratings of a load test"

    Example: whyrec withdraw shop 2024-03-12 --undo
    """
    from flows import withdrawal as module
    from tasks.platform.settings import load_settings

    with explain_errors(is_json=is_json):
        if undo:
            refuse_options(
                "kept of what is withdrawn; leave it out with --undo", reason=reason or None
            )
        settings = load_settings(config)
        document = (
            module.undo(settings, source, delivery, is_dry_run=dry_run)
            if undo
            else module.withdraw(settings, source, delivery, reason=reason, is_dry_run=dry_run)
        )
        if is_json:
            print_json(document)
            return
        for line in module.tell(document):
            print_line(line)


def prune(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would go, and why; remove nothing.")
    ] = False,
    config: Config = None,
    is_json: Json = False,
) -> None:
    """Clear away what no kept night needs: old reports, runs, snapshots, files, results, locks.

    Example: whyrec prune --dry-run
    """
    from flows import prune as module
    from tasks.platform.settings import load_settings

    with explain_errors(is_json=is_json):
        settings, now = load_settings(config), datetime.now(UTC)
        do = module.plan_prune if dry_run else module.prune
        document = {**module.describe_prune(do(settings, now=now)), "is_dry_run": dry_run}
        if is_json:
            print_json(document)
            return
        verb = "would go" if dry_run else "removed"
        print_table(
            f"whyrec prune: {verb}",
            ("what", "count", "bytes", "why"),
            [(row["kind"], row["files"], row["bytes"], row["why"]) for row in document["removed"]],
        )
        print_line(
            f"{document['files']:,} files and {document['bytes']:,} bytes {verb}; "
            f"{document['nights_kept']:,} nights stay"
        )


def backup(
    folder: Annotated[str, typer.Argument(help="New folder, or one of an earlier backup.")],
    config: Config = None,
    is_json: Json = False,
) -> None:
    """Copy warehouse, lake, results and reports, also while a night is at work.

    Example: whyrec backup /mnt/backup/whyrec
    """
    from tasks.platform.backup import back_up

    with explain_errors(is_json=is_json):
        account = back_up(_site(config), Path(folder), now=datetime.now(UTC))
        _show_copy("backed up to", account, is_json=is_json)


def restore(
    folder: Annotated[str, typer.Argument(help="Folder of a backup.")],
    config: Config = None,
    is_json: Json = False,
) -> None:
    """Put a backup where the settings say; there must be no warehouse yet.

    Example: whyrec restore /mnt/backup/whyrec
    """
    from tasks.platform import backup as module

    with explain_errors(is_json=is_json):
        _show_copy("restored from", module.restore(_site(config), Path(folder)), is_json=is_json)


def alerts(config: Config = None, is_json: Json = False) -> None:
    r"""Send a test message to every channel of \[alerts], and say whether it got through.

    Example: whyrec alerts
    """
    from flows.alerts import try_channels
    from tasks.platform.errors import ConfigError
    from tasks.platform.settings import load_settings

    with explain_errors(is_json=is_json):
        settings = load_settings(config)
        answers = try_channels(settings.alerts, settings.root, datetime.now(UTC).date())
        if not answers:
            raise ConfigError(
                "[alerts] names no channel; set webhook_url, email_to or services in whyrec.toml"
            )
        if is_json:
            print_json({"channels": answers})
        else:
            rows = [(a["channel"], a["status"], a.get("why", "")) for a in answers]
            print_table("whyrec alerts", ("channel", "result", "why"), rows)
        if any(answer["status"] != "sent" for answer in answers):
            raise SystemExit(1)


def _site(config: str | None) -> Any:
    from tasks.platform.settings import load_settings
    from tasks.platform.site import resolve_site

    return resolve_site(load_settings(config))


def _show_copy(verb: str, account: Any, *, is_json: bool) -> None:
    if is_json:
        print_json(vars(account))
        return
    parts = ", ".join(
        f"{part} {count:,} files ({account.size[part]:,} bytes)"
        for part, count in account.files.items()
    )
    print_line(f"{verb} {account.folder}: snapshot {account.snapshot}; {parts}")
    if account.skipped:
        print_line(f"{account.skipped:,} files were there already")
