"""What is made from a model's weights and kept on disk: conversions, ranges, verdicts.

`<root>/<key>/`: the key is made of everything that decides the content, a folder appears whole (made
beside it, then renamed) and never changes, so any number of processes can share it.
"""

import atexit
import hashlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Final

from tasks.platform.errors import StorageError
from tasks.platform.user_cache import find_user_cache, mark_used

_LOG: Final = logging.getLogger(__name__)
_MANIFEST: Final = "manifest.json"


@cache
def find_cache_root() -> Path:
    """`$XDG_CACHE_HOME/whyrec/encoders` or `~/.cache/...`; a passing folder, and a warning, when it is read-only."""
    try:
        root = find_user_cache() / "encoders"
        root.mkdir(parents=True, exist_ok=True)
        if os.access(root, os.W_OK):
            return root
        reason = f"{root} cannot be written"
    except (OSError, RuntimeError) as error:  # RuntimeError: there is no home folder
        reason = str(error)
    passing = Path(tempfile.mkdtemp(prefix="whyrec-encoders-"))
    atexit.register(shutil.rmtree, passing, ignore_errors=True)
    _LOG.warning(
        "converted models are kept in %s, for this process alone (%s); "
        "set XDG_CACHE_HOME to a folder that can be written",
        passing,
        reason,
    )
    return passing


def make_key(parts: Mapping[str, object]) -> str:
    """32 hex digits that stand for `parts`, which must be JSON."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def provide_folder(root: Path, key: str, make: Callable[[Path], None]) -> Path:
    """The whole folder of `key`; `make` fills it when it is missing or its files are damaged.

    Raises StorageError when `root` cannot be written, and what `make` raises.
    """
    folder = root / key
    if _is_whole(folder):
        mark_used(folder / _MANIFEST)
        return folder
    try:
        root.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(dir=root, prefix=f".{key[:8]}-"))
    except OSError as error:
        raise StorageError(
            f"cannot write {root}: {error.strerror}; set XDG_CACHE_HOME to a folder that can"
        ) from error
    try:
        make(made)
        manifest = {path.name: _sha256_of(path) for path in sorted(made.iterdir())}
        (made / _MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
        _put_in_place(made, folder)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return folder


def _put_in_place(made: Path, folder: Path) -> None:
    """Rename `made` to `folder`, unless another process was faster."""
    if folder.exists() and not _is_whole(folder):
        shutil.rmtree(folder, ignore_errors=True)
    try:
        made.rename(folder)
    except OSError:
        if not _is_whole(folder):
            raise


def _is_whole(folder: Path) -> bool:
    """Whether all files of the folder hold what was written."""
    try:
        manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        return all(_sha256_of(folder / name) == digest for name, digest in manifest.items())
    except (OSError, ValueError, AttributeError):
        return False


def _sha256_of(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
