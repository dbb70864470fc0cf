"""Every command says what it does and shows how to call it."""

import re
from collections.abc import Iterator

import pytest
import typer.main
from click import Command
from typer.testing import CliRunner

from flows.cli import app


def list_commands(command: Command, name: str = "whyrec") -> Iterator[tuple[str, Command]]:
    if hasattr(command, "commands"):
        for word, part in command.commands.items():
            yield from list_commands(part, f"{name} {word}")
    else:
        yield name, command


COMMANDS = dict(list_commands(typer.main.get_command(app)))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_shows_an_example_of_itself_and_has_json(name: str) -> None:
    command = COMMANDS[name]
    assert re.search(rf"Examples?: {name} ?", command.help or "")
    options = {option for part in command.params for option in part.opts}
    assert "--json" in options


@pytest.mark.parametrize("name", COMMANDS)
def test_no_bracket_of_a_help_text_is_taken_for_markup(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    command = COMMANDS[name]
    texts = [command.help or "", *(getattr(part, "help", None) or "" for part in command.params)]
    shown = CliRunner().invoke(app, [*name.split()[1:], "--help"]).output
    parent = CliRunner().invoke(app, [*name.split()[1:-1], "--help"]).output
    for word in re.findall(r"\[[a-z][a-z_. ]*\]", "\n".join(texts)):
        assert word in shown
    for word in re.findall(r"\[[a-z][a-z_. ]*\]", (command.help or "").split("\n\n")[0]):
        assert word in parent


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["withdraw", "shop", "2024-03-01", "--undo", "--reason", "why"], "--reason"),
        (["tables", "marts.effects", "--rows", "2", "--markdown"], "--markdown"),
    ],
)
def test_options_that_would_go_unheeded_are_refused(words: list[str], said: str) -> None:
    found = CliRunner().invoke(app, words)
    assert found.exit_code == 2
    assert f"{said}: " in found.stderr
