"""Where this user's machine keeps what can be made again."""

import os
from pathlib import Path


def find_user_cache() -> Path:
    """`$XDG_CACHE_HOME/whyrec`, or `~/.cache/whyrec`; raises RuntimeError when there is no home folder."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "whyrec"
