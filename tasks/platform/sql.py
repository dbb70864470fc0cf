"""Statements live in `sql/<layer>/<table>.sql`, one a file; values are bound as `$parameters`."""

from functools import cache
from importlib import resources

from tasks.platform.errors import ConfigError


@cache
def read_sql(name: str) -> str:
    """Text of the statement `name` ("clean/reviews_replace" reads `sql/clean/reviews_replace.sql`).

    Raises ConfigError when there is no such file, which means a broken installation.
    """
    path = resources.files("sql").joinpath(f"{name}.sql")
    if not path.is_file():
        raise ConfigError(
            f"statement sql/{name}.sql is missing from this installation; reinstall whyrec"
        )
    return path.read_text(encoding="utf-8")
