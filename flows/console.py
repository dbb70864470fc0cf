"""What a command shows: progress while it works, tables when it is done, JSON when asked, errors in words."""

import atexit
import errno
import json
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ClassVar, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from tasks.platform.catalog import show_catalog
from tasks.platform.errors import EXIT_FAILED, ConfigError, WhyrecError
from tasks.platform.numbers import tell_signed

R = TypeVar("R")
Sink = Callable[[str, int, int], None]

EXIT_GRACE_S = 15.0
FULL = ("No space left on device", "Disk quota exceeded", "database or disk is full")
"""What the system, DuckDB and SQLite say of a full disk."""
FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
MISPLACED = (errno.ENOTDIR, errno.EEXIST, errno.EISDIR)


class _NO_SERVER:  # noqa: N801
    """Stands for Prefect's own server class when that was never loaded."""

    _instances: ClassVar[dict[str, Any]] = {}


PROGRESS: ContextVar[Sink | None] = ContextVar("progress", default=None)
"""Where stages tell how far they are; set by a command, empty under a schedule."""


def silence_exit() -> None:
    """Drop what native libraries print while the interpreter shuts down; register before they load."""

    def mute() -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)

    atexit.register(mute)


def end_process(code: int) -> None:
    """End with `code`, also when a thread of a library keeps the interpreter from going down.

    What was published and printed is complete by now; after EXIT_GRACE_S nothing is waited for.
    """

    def give_up() -> None:
        server = sys.modules.get("prefect.server.api.server")
        for running in list(
            getattr(server, "SubprocessASGIServer", _NO_SERVER)._instances.values()
        ):
            running.stop()
        os._exit(code)

    sys.stdout.flush()
    sys.stderr.flush()
    watchdog = threading.Timer(EXIT_GRACE_S, give_up)
    watchdog.daemon = True
    watchdog.start()
    sys.exit(code)


def print_json(document: Mapping[str, Any] | Sequence[Any]) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(json.dumps(document, indent=2, default=str, allow_nan=False) + "\n")
    sys.stdout.flush()


def print_error(message: str) -> None:
    """One error, in words, on standard error."""
    Console(stderr=True, soft_wrap=True).print(Text.assemble(("error: ", "bold red"), message))


def print_note(text: str) -> None:
    """One line on standard error, beside an answer that it is no part of."""
    Console(stderr=True, soft_wrap=True).print(Text(text))


def print_line(text: str) -> None:
    """One line of plain text (never markup) on standard output."""
    Console(soft_wrap=True).print(Text(text))


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """A small table; title and cells are shown as they are, never as markup."""
    table = Table(title=Text(title, style="table.title"), title_justify="left", header_style="bold")
    for column in columns:
        is_number = bool(rows) and all(
            isinstance(row[columns.index(column)], (int, float)) for row in rows
        )
        table.add_column(Text(column), justify="right" if is_number else "left")
    for row in rows:
        table.add_row(*(Text(_show(cell)) for cell in row))
    Console().print(table)


def _show(cell: Any) -> str:
    if cell is None:
        return "no result"
    if isinstance(cell, float):
        return tell_signed(cell)
    return f"{cell:,}" if isinstance(cell, int) and not isinstance(cell, bool) else str(cell)


@contextmanager
def show_progress(*, is_shown: bool) -> Iterator[None]:
    """A bar per stage on standard error, when that is a terminal."""
    console = Console(stderr=True)
    if not is_shown or not console.is_terminal:
        yield
        return
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        console=console, transient=True,
    )  # fmt: skip
    stages: dict[str, Any] = {}

    def tell(stage: str, done: int, total: int) -> None:
        if stage not in stages:
            stages[stage] = bar.add_task(stage, total=total)
        bar.update(stages[stage], completed=done, total=total)

    token = PROGRESS.set(tell)
    try:
        with bar:
            yield
    finally:
        PROGRESS.reset(token)


def refuse_options(why: str, **options: object) -> None:
    """Raise ConfigError for those of `options` that were given; `why` says what they are of, and what to do.

    What is called `file` is the argument FILE.
    """
    given = [
        "FILE" if name == "file" else f"--{name.replace('_', '-')}"
        for name, value in options.items()
        if value is not None and value is not False
    ]
    if given:
        raise ConfigError(f"{', '.join(given)}: {why}")


@contextmanager
def explain_errors(*, is_json: bool = False) -> Iterator[None]:
    """End the command with the error's exit code and its message; no stack trace for what we foresaw.

    Something unforeseen is named by type and message too; WHYREC_DEBUG shows where it came from.
    """
    try:
        yield
    except WhyrecError as error:
        document = getattr(error, "document", None)
        if is_json:
            print_json(
                document
                if document is not None
                else {"error": str(error), "exit_code": error.exit_code}
            )
        print_error(str(error))
        raise SystemExit(error.exit_code) from None
    except KeyboardInterrupt:
        print_error("stopped; finished tasks are kept, run the same command again to go on")
        raise SystemExit(130) from None
    except (BrokenPipeError, SystemExit):
        raise
    except Exception as error:
        if os.environ.get("WHYREC_DEBUG"):
            raise
        told = describe_system_error(error)
        if told is not None and is_json:
            print_json({"error": told, "exit_code": EXIT_FAILED})
        print_error(
            told
            or f"{type(error).__name__}: {show_catalog(str(error))[:2000]}\n"
            "This was not foreseen. Set WHYREC_DEBUG=1 to see where it happened, and please report it."
        )
        raise SystemExit(EXIT_FAILED) from None


def describe_system_error(error: Exception) -> str | None:
    """What the machine refused, and what to do about it; None for what is no fault of the machine."""
    if any(mark in str(error) for mark in FULL):
        return (
            f"the disk is full ({str(error)[:300]}); make room ('whyrec prune --dry-run' says what nothing "
            "needs) and run the same command again: finished tasks are kept"
        )
    if not isinstance(error, OSError) or error.filename is None:
        return None
    if error.errno in FORBIDDEN:
        return (
            f"{error.filename} may not be read or written ({error.strerror}); change its owner or "
            "permissions, or name another place ('whyrec doctor' looks at all of [paths])"
        )
    if error.errno in MISPLACED:
        return (
            f"{error.filename} cannot be used ({error.strerror}): a file stands where a folder should, or "
            "the reverse; name another place, or take away what is there"
        )
    return None
