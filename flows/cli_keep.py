"""`whyrec tables`, `prune`, `backup`, `restore`: keeping a warehouse in order."""

from typing import Annotated

import typer

from flows.console import explain_errors, print_json, print_line, print_table
from flows.options import Json


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command()(tables)


def tables(
    names: Annotated[
        list[str] | None, typer.Argument(help="Tables, as marts.effects; default all.")
    ] = None,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="As the page sql/TABLES.md is made.")
    ] = False,
    is_json: Json = False,
) -> None:
    """Say what the warehouse's tables and columns hold.

    Example: whyrec tables marts.effects
    """
    from tasks.platform.tables import describe_tables, write_markdown

    with explain_errors(is_json=is_json):
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
                rows = [(column.name, column.kind, column.about) for column in table.columns]
                print_table(table.name, ("column", "type", "what"), rows)
        else:
            print_table(
                "Tables", ("table", "a row is"), [(table.name, table.grain) for table in found]
            )
