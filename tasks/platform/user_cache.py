"""Where this user's machine keeps what can be made again, for all shops at once."""

import os
from contextlib import suppress
from pathlib import Path


def find_user_cache() -> Path:
    """`$XDG_CACHE_HOME/whyrec`, or `~/.cache/whyrec`; raises RuntimeError when there is no home folder."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "whyrec"


def mark_used(path: Path) -> None:
    """Note on a file that it is still wanted, where that can be written."""
    with suppress(OSError):
        os.utime(path)


def list_user_cache() -> list[list[Path]]:
    """Files that are used together, and go together: a file by itself, or a folder's."""
    try:
        root = find_user_cache()
    except RuntimeError:
        return []
    alone = [[path] for path in sorted(root.glob("*")) if path.is_file()]
    folders = [sorted(p for p in f.glob("*") if p.is_file()) for f in sorted(root.glob("*/*"))]
    return alone + [files for files in folders if files]
