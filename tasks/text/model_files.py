"""Where models lie, and what their files are: packaged, in a folder, or from a hub.

Nothing is fetched unless it is allowed, and a packaged model is checked against its hash.
"""

import hashlib
import importlib.util
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from tasks.platform.errors import ConfigError

_FETCHED: Final = ("*.json", "*.jinja", "*.txt", "*.model", "*.safetensors", "1_Pooling/*")


@dataclass(frozen=True)
class PackagedModel:
    """A model that a Python package carries.

    `weights` is its file inside `module`, whose bytes have `sha256`; `install` is how the package is
    had, `setting` the setting that names another model instead.
    """

    name: str
    module: str
    package: str
    weights: str
    sha256: str
    install: str
    setting: str


def find_packaged_file(packaged: PackagedModel) -> Path:
    """The weights of a packaged model; raises ConfigError when absent or not what was packaged."""
    folder = find_package(packaged.module)
    if folder is None:
        raise ConfigError(
            f"{packaged.name} comes with the package {packaged.package}, which is not installed; "
            f"{packaged.install} or set {packaged.setting} to a folder"
        )
    path = folder / packaged.weights
    found = hash_weights(path)
    if found != packaged.sha256:
        raise ConfigError(
            f"weights of {packaged.name} in {path.parent} have sha256 {found}, expected "
            f"{packaged.sha256}; reinstall {packaged.package}"
        )
    return path


def find_package(module: str) -> Path | None:
    """The folder of an installed package, which is not imported: only its files are wanted."""
    spec = importlib.util.find_spec(module)
    return Path(spec.origin).parent if spec is not None and spec.origin is not None else None


def find_model_folder(
    model: str, revision: str | None, *, is_remote_allowed: bool, setting: str = "text"
) -> Path:
    """The folder of a model given by path or hub name; `setting` is the section that names it.

    Raises ConfigError when it is not there.
    """
    folder = Path(model).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise ConfigError(
                f"{folder} holds no config.json; name the folder of a Hugging Face model"
            )
        return folder.resolve()
    if model.startswith((".", "/", "~")) or model.count("/") > 1:
        raise ConfigError(f"model folder {model} does not exist; name a folder or a hub model")
    return _find_hub_model(model, revision, is_remote_allowed=is_remote_allowed, setting=setting)


def _find_hub_model(
    model: str, revision: str | None, *, is_remote_allowed: bool, setting: str
) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(
            snapshot_download(
                model,
                revision=revision,
                allow_patterns=list(_FETCHED),
                local_files_only=not is_remote_allowed,
            )
        )
    except Exception as error:  # the hub client raises a dozen unrelated classes
        hint = f"; fetching is off: set {setting}.is_remote_allowed = true"
        hint = "" if is_remote_allowed else hint
        raise ConfigError(f"model {model!r} was not found: {first_line(error)}{hint}") from error


def require_safetensors(folder: Path) -> None:
    """Raise ConfigError when a folder has no weights in the one format that is read."""
    if not list(folder.glob("*.safetensors")):
        raise ConfigError(f"{folder} holds no .safetensors weights; other formats are not read")


def list_identity_files(folder: Path, names: re.Pattern[str]) -> list[Path]:
    """Files of a model whose path inside the folder matches `names`, in order."""
    files = (path for path in [*folder.glob("*"), *folder.glob("1_Pooling/*")] if path.is_file())
    return sorted(p for p in files if names.fullmatch(p.relative_to(folder).as_posix()))


def hash_files(folder: Path, files: Iterable[Path]) -> dict[str, str]:
    """sha256 of each file by its path inside the folder."""
    return {path.relative_to(folder).as_posix(): hash_weights(path) for path in files}


def hash_weights(path: Path) -> str:
    """sha256 of a file's bytes; raises ConfigError when it cannot be read."""
    try:
        stat = path.stat()
        return _hash_by_stat(str(path), stat.st_size, stat.st_mtime_ns, stat.st_ino)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}; reinstall the model") from error


@lru_cache(maxsize=256)
def _hash_by_stat(path: str, _size: int, _mtime_ns: int, _inode: int) -> str:
    """Hash of a file's bytes, computed once for as long as its stat stays the same."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file, empty for another value; raises ConfigError when unreadable."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot read {path}: {first_line(error)}") from error
    return value if isinstance(value, dict) else {}


def first_line(error: BaseException) -> str:
    """The first line of what an error says, else its class."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
