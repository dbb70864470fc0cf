"""Which code computes a task's answer, as one hash.

A decorated function's own source is not enough: the answer changes when a helper that it calls
changes. For a function, the first-party names that it uses are followed: other functions and
constants of its own module by their source, and imported first-party modules whole, with all that
they import in turn. String literals that name a statement (`read_sql("clean/x")`) or a file beside
the module (templates, with those that they include, prompts, TOML) bring that file in as well; a
formatted one brings in every statement that it may name (`read_sql(f"clean/{table}_insert")`).
Editing one helper therefore changes the hash of exactly the tasks that can reach it.
"""

import ast
import hashlib
import importlib.util
import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tasks.platform.user_cache import find_user_cache, mark_used

_STATEMENTS = re.compile(r"\w+/\w*\*[\w*]*")
"""What `_find_pattern` makes of a formatted string that names a statement."""
_INCLUDED = re.compile(rb"{%-?\s*(?:include|extends|import|from)\s+[\"']([^\"']+)[\"']")
"""How a template names another one beside it."""
FIRST_PARTY = ("flows", "tasks", "expectations", "sql")


def _is_first_party(module: str) -> bool:
    return module.split(".", 1)[0] in FIRST_PARTY


@cache
def _find_source(module: str) -> Path | None:
    """The file of a first-party module, found beside its package and without importing it."""
    top, *inner = module.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None
    if spec is None or spec.origin is None:
        return None
    place = Path(spec.origin).parent.joinpath(*inner)
    for path in (place / "__init__.py", place.with_name(f"{place.name}.py")):
        if path.is_file():
            return path
    return None


@dataclass(frozen=True)
class _Part:
    """What a piece of code says, whoever runs it: hash of its syntax, names used, strings, imports.

    `imports` are (local name, module or "", level, name) of every import; a plain import has no name.
    """

    digest: str
    names: tuple[str, ...]
    strings: tuple[str, ...]
    imports: tuple[tuple[str, str, int, str | None], ...]


@dataclass(frozen=True)
class _Facts:
    """A module as a whole, and each of its top-level definitions."""

    whole: _Part
    definitions: dict[str, _Part]


class _Shelf:
    """Facts of files by their content, kept between processes: reading a year-old file again tells nothing new.

    A shelf that cannot be read or written is done without.
    """

    def __init__(self) -> None:
        recipe = hashlib.sha256(Path(__file__).read_bytes() + sys.version.encode()).hexdigest()
        self.path: Path | None = None
        self.known: dict[str, _Facts] = {}
        self.is_changed = False
        with suppress(RuntimeError, OSError, ValueError, TypeError, KeyError, AttributeError):
            self.path = find_user_cache() / f"code-{recipe[:16]}.json"
            kept = json.loads(self.path.read_bytes())
            self.known = {key: _load_facts(rows) for key, rows in kept.items()}
            mark_used(self.path)

    def read(self, path: Path) -> _Facts:
        """Facts of a file, worked out where its content is new."""
        content = path.read_bytes()
        key = hashlib.sha256(content).hexdigest()
        if key not in self.known:
            self.known[key] = _find_facts(ast.parse(content))
            self.is_changed = True
        return self.known[key]

    def save(self) -> None:
        """Keep what is new."""
        if not self.is_changed or self.path is None:
            return
        self.is_changed = False
        new = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        with suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            kept = {key: asdict(facts) for key, facts in self.known.items()}
            new.write_text(json.dumps(kept, separators=(",", ":")), encoding="utf-8")
            new.replace(self.path)


def _load_facts(rows: dict[str, Any]) -> _Facts:
    definitions = {name: _load_part(part) for name, part in rows["definitions"].items()}
    return _Facts(_load_part(rows["whole"]), definitions)


def _load_part(row: dict[str, Any]) -> _Part:
    imports = tuple((local, base, level, name) for local, base, level, name in row["imports"])
    return _Part(row["digest"], tuple(row["names"]), tuple(row["strings"]), imports)


@cache
def _open_shelf() -> _Shelf:
    return _Shelf()


@cache
def _read_facts(path: Path) -> _Facts:
    return _open_shelf().read(path)


def _find_facts(tree: ast.Module) -> _Facts:
    definitions = {name: _find_part(node) for name, node in _definitions(tree).items()}
    return _Facts(_find_part(tree), definitions)


def _find_part(node: ast.AST) -> _Part:
    names: dict[str, None] = {}
    strings: dict[str, None] = {}
    imports: list[tuple[str, str, int, str | None]] = []
    for item in ast.walk(node):
        if isinstance(item, ast.Name):
            names[item.id] = None
        elif isinstance(item, ast.Constant) and isinstance(item.value, str):
            if _may_name_file(item.value):
                strings[item.value] = None
        elif isinstance(item, ast.JoinedStr):
            if _STATEMENTS.fullmatch(pattern := _find_pattern(item)):
                strings[pattern] = None
        elif isinstance(item, ast.Import):
            imports += [
                (alias.asname or alias.name.split(".", 1)[0], alias.name, 0, None)
                for alias in item.names
            ]
        elif isinstance(item, ast.ImportFrom):
            imports += [
                (alias.asname or alias.name, item.module or "", item.level, alias.name)
                for alias in item.names
            ]
    digest = hashlib.sha256(ast.dump(node).encode()).hexdigest()
    return _Part(digest, tuple(names), tuple(strings), tuple(imports))


def _definitions(tree: ast.Module) -> dict[str, ast.stmt]:
    """Top-level name -> the statement that defines it."""
    found: dict[str, ast.stmt] = {}
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found[node.name] = node
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found.update({t.id: node for t in targets if isinstance(t, ast.Name)})
    return found


def _find_pattern(text: ast.JoinedStr) -> str:
    """A formatted string with a star for each part that is not known before it runs."""
    return "".join(
        str(part.value) if isinstance(part, ast.Constant) else "*" for part in text.values
    )


def _may_name_file(text: str) -> bool:
    return 0 < len(text) < 200 and "\n" not in text and "\0" not in text and text[0] != "/"


def _imported_modules(part: _Part, *, package: str) -> dict[str, str]:
    """Local name -> first-party module, for every import of `part`."""
    found: dict[str, str] = {}
    for local, base, level, name in part.imports:
        place = base
        if level:
            parent = ".".join(package.split(".")[: len(package.split(".")) - level + 1])
            place = f"{parent}.{base}" if base else parent
        if not _is_first_party(place):
            continue
        inner = place if name is None else f"{place}.{name}"
        found[local] = inner if name is None or _find_source(inner) else place
    return found


def _named_files(part: _Part, *, folder: Path, root: Path) -> Iterator[Path]:
    """Files that strings of `part` name: statements, or files beside the module."""
    for text in part.strings:
        if _STATEMENTS.fullmatch(text):
            yield from (root / "sql").glob(f"{text}.sql")
            continue
        for path in (root / "sql" / f"{text}.sql", folder / text, folder / "templates" / text):
            if path.suffix not in ("", ".py", ".pyc") and path.is_file():
                yield from _list_included(path)


@cache
def _list_included(path: Path) -> tuple[Path, ...]:
    """A file and, where it is a template, those that it includes, in turn."""
    found: dict[Path, None] = {}
    queue = [path]
    while queue:
        current = queue.pop()
        if current in found or not current.is_file():
            continue
        found[current] = None
        names = _INCLUDED.findall(current.read_bytes())
        queue.extend(current.with_name(name.decode()) for name in names)
    return tuple(found)


def _package_of(module: str, path: Path) -> str:
    return module if path.name == "__init__.py" else module.rpartition(".")[0]


def _reach_module(module: str, reached: dict[str, Path]) -> None:
    """Add `module` and, in turn, all it imports and names to `reached`."""
    if module in reached or (path := _find_source(module)) is None:
        return
    reached[module] = path
    files, imported = _read_links(module, path)
    reached.update(files)
    for other in imported:
        _reach_module(other, reached)


@cache
def _read_links(module: str, path: Path) -> tuple[dict[str, Path], tuple[str, ...]]:
    """Files that a module names, by their place in the project, and first-party modules it imports.

    Many tasks reach the same modules; each is looked through once.
    """
    whole = _read_facts(path).whole
    root = path.parents[module.count(".") + (path.name == "__init__.py")]
    named = _named_files(whole, folder=path.parent, root=root)
    imported = _imported_modules(whole, package=_package_of(module, path))
    return {str(file.relative_to(root)): file for file in named}, tuple(imported.values())


def _follow_names(facts: _Facts, name: str) -> tuple[dict[str, _Part], set[str]]:
    """Definitions of this module that `name` reaches, and all names used in them."""
    reached: dict[str, _Part] = {}
    used: set[str] = set()
    queue = [name]
    while queue:
        current = queue.pop()
        if current in reached or current not in facts.definitions:
            continue
        reached[current] = facts.definitions[current]
        used.update(reached[current].names)
        queue.extend(reached[current].names)
    return reached, used


@cache
def _hash_file(path: Path) -> bytes:
    return hashlib.sha256(path.read_bytes()).digest()


def hash_function_code(function: Callable[..., Any]) -> str:
    """Hash of all first-party code and files that can change what `function` returns.

    `function` is a top-level function of an importable first-party module.
    """
    return _hash_function(function.__module__, function.__name__)


@cache
def _hash_function(module: str, name: str) -> str:
    path = _find_source(module)
    if path is None:
        raise LookupError(f"no source for module {module}")
    facts = _read_facts(path)
    reached, used = _follow_names(facts, name)
    if not reached:
        raise LookupError(f"{module} does not define {name} at its top level")
    root = path.parents[module.count(".")]
    modules: dict[str, Path] = {}
    imports = _imported_modules(facts.whole, package=_package_of(module, path))
    for target in {target for local, target in imports.items() if local in used}:
        _reach_module(target, modules)
    for part in reached.values():
        for file in _named_files(part, folder=path.parent, root=root):
            modules[str(file.relative_to(root))] = file
    _open_shelf().save()
    digest = hashlib.sha256()
    for key in sorted(reached):
        digest.update(f"{module}:{key}\0{reached[key].digest}\0".encode())
    for key, file in sorted(modules.items()):
        digest.update(f"{key}\0".encode() + _hash_file(file))
    return digest.hexdigest()
