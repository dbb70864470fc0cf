"""The command `whyrec attack sweep`: every attack on every target at once."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

import typer

from flows.commands.options import Config, Json, parse_date
from flows.console import explain_errors, print_json, print_line, print_note, print_table
from flows.starting import start_flow
from tasks.platform.numbers import tell_signed

SCORES: Final = (
    "surface", "attack", "on", "of", "tried", "hit", "failed", "skipped", "left", "clean",
    "attacked", "smallest",
)  # fmt: skip


def register_sweep(room: typer.Typer) -> None:
    """Add the command to the group `attack`."""
    room.command("sweep")(attack_sweep)


def attack_sweep(
    as_of: Annotated[
        str | None, typer.Option(help="Last date to see; default the newest with data.")
    ] = None,
    config: Config = None,
    is_json: Json = False,
) -> None:
    """Try every attack of the settings on every target of the warehouse; the week's nights show it.

    What is attacked are the reviews up to the Sunday before --as-of, as in a night. What a night has
    tried already is not tried again.

    Example: whyrec attack sweep --as-of 2024-03-30 --json
    """
    with explain_errors(is_json=is_json):
        day = parse_date(as_of)

        def run() -> dict[str, Any]:
            from flows import sweep as module

            return module.sweep(as_of=day, config=config)

        document = start_flow(config, run, is_json=is_json)
        if is_json:
            print_json(document)
        else:
            show_sweep(document)


def show_sweep(document: Mapping[str, Any]) -> None:
    """Counts by surface, a line an attack, and what defences save."""
    print_line(
        f"sweep as of {document['as_of']}, reviews up to {document['until']}: "
        f"{len(document['pairs'])} pairs of attack and target, {document['seconds']:.1f} s"
    )
    names = ("attempted", "succeeded", "failed", "skipped", "not_attempted")
    print_table(
        "attempts by surface", ("surface", *(name.replace("_", " ") for name in names)),
        [(surface, *(counts[n] for n in names)) for surface, counts in document["counts"].items()],
    )  # fmt: skip
    print_table("attacks", SCORES, [list_score(row) for row in document["attacks"]])
    defences = [row for row in document["defences"] if row["defended"] is not None]
    print_table(
        "defences", ("defence", "attack", "on", "clean", "attacked", "defended", "AUC"),
        [
            (row["defence"], row["attack"], row["subject"], row["clean"], row["attacked"],
             row["defended"], row["auc"])
            for row in defences
        ],
    )  # fmt: skip
    for row in document["attacks"]:
        if row["skipped"] and not row["attempted"]:
            print_note(f"skipped: {row['attack']} on {row['subject']}: {row['skip_reason']}")


def list_score(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """A row under `SCORES`."""
    smallest = "–"
    if row["smallest_share"] is not None:
        smallest = f"{row['smallest_share']:.2%}"
    elif row["looked_to"] is not None:
        smallest = f"none up to {row['looked_to']:.0%}"
    figures = [
        "–" if value is None else tell_signed(value) for value in (row["clean"], row["attacked"])
    ]
    return (
        row["surface"], row["attack"], row["target"], row["subject"], row["attempted"],
        row["succeeded"], row["failed"], row["skipped"], row["not_attempted"], *figures, smallest,
    )  # fmt: skip
