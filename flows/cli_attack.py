"""The group `whyrec attack`."""

import typer

from flows.cli_attack_text import register_text


def register(app: typer.Typer) -> None:
    """Add `attack` and its commands to `whyrec`."""
    room = typer.Typer(help="Attack what is read, recommended and concluded.", no_args_is_help=True)
    app.add_typer(room, name="attack")
    room.callback()(describe)
    register_text(room)


def describe() -> None:
    """Attack what is read, recommended and concluded."""
