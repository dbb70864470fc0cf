"""What is said of a warehouse's catalog: where it is, and why it cannot be had, but no password."""

import re
from typing import Final

from tasks.platform.errors import ConfigError, StorageError, WhyrecError

_NAMED: Final = re.compile(
    r"(?is)((?<=[?&])(?:ssl)?password=)[^\s&]+|"
    r"((?<![?&\w])(?:ssl)?password\s*=\s*)(?:'(?:[^'\\]|\\.)*(?:'|\\?$)|(?:[^\s'\\]|\\.)(?:[^\s\\]|\\.)*)"
)
_IN_URL: Final = re.compile(r"(://[^/\s:@]*:)\S+(?=@)")
_UNREACHED: Final = "Unable to connect to Postgres"
_UNREADABLE: Final = (
    "connection info string", "invalid connection option", "invalid URI", "invalid integer value",
)  # fmt: skip
_TWO_ATS: Final = re.compile(r"://[^/\s]*@[^/\s]*@")
"""Of these libpq takes the first for the end of the password, and the rest of it for a host, by name."""


def show_catalog(catalog: str) -> str:
    """A catalog's address, as of `[warehouse] catalog`, or words that hold one, with stars for passwords.

    libpq takes them as `password=...`, up to a space or in quotes, and as `user:...@host` or
    `?password=...&` of a URL. Of one that is written amiss too much is hidden rather than too little: a
    quote that does not end hides all after it.
    """
    named = _NAMED.sub(lambda found: f"{found[1] or found[2]}***", catalog)
    return _IN_URL.sub(r"\1***", named)


def explain_unreached(catalog: str, error: Exception) -> WhyrecError | None:
    """Why PostgreSQL gave no catalog; None for any other error.

    What DuckDB says of it holds the whole address, password and all.
    """
    if _UNREACHED not in str(error):
        return None
    shown = show_catalog(catalog)
    if _TWO_ATS.search(catalog) or any(mark in str(error) for mark in _UNREADABLE):
        return ConfigError(
            f"warehouse.catalog is {shown!r}, which PostgreSQL's library cannot read; write it as "
            "'postgres:host=db.internal user=whyrec dbname=lake' (of a password in a URL @ is %40 and / is %2F)"
        )
    target = catalog.partition(":")[2]
    told = str(error).replace(target, "").partition('"": ')[2].strip().splitlines()
    why = (told or ["it did not say why"])[0].strip()
    return StorageError(
        f"the catalog {shown!r} cannot be had ({why}); see that the database runs and lets this user "
        "in (PGPASSWORD or ~/.pgpass hold a password), and [warehouse] catalog"
    )
