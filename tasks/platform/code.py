"""Which code computes a task's answer, as one hash.

A decorated function's own source is not enough: the answer changes when a helper that it calls
changes. For a function, the first-party names that it uses are followed: other functions and
constants of its own module by their source, and imported first-party modules whole, with all that
they import in turn. String literals that name a statement (`read_sql("clean/x")`) or a file beside
the module (templates, prompts, TOML) bring that file in as well. Editing one helper therefore
changes the hash of exactly the tasks that can reach it.
"""

import ast
import hashlib
import importlib.util
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

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


@cache
def _parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _imported_modules(node: ast.AST, *, package: str) -> dict[str, str]:
    """Local name -> first-party module, for every import below `node`."""
    found: dict[str, str] = {}
    for item in ast.walk(node):
        if isinstance(item, ast.Import):
            for alias in item.names:
                if _is_first_party(alias.name):
                    found[alias.asname or alias.name.split(".", 1)[0]] = alias.name
        elif isinstance(item, ast.ImportFrom):
            base = item.module or ""
            if item.level:
                parent = package.split(".")[: len(package.split(".")) - item.level + 1]
                base = ".".join([*parent, base]) if base else ".".join(parent)
            if not _is_first_party(base):
                continue
            for alias in item.names:
                inner = f"{base}.{alias.name}"
                found[alias.asname or alias.name] = inner if _find_source(inner) else base
    return found


def _named_files(node: ast.AST, *, folder: Path, root: Path) -> Iterator[Path]:
    """Files that string literals below `node` name: statements, or files beside the module."""
    for item in ast.walk(node):
        if not (isinstance(item, ast.Constant) and isinstance(item.value, str)):
            continue
        text = item.value
        if not 0 < len(text) < 200 or "\n" in text or "\0" in text or text.startswith("/"):
            continue
        for path in (root / "sql" / f"{text}.sql", folder / text, folder / "templates" / text):
            if path.suffix not in ("", ".py", ".pyc") and path.is_file():
                yield path


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
    tree = _parse(path)
    root = path.parents[module.count(".") + (path.name == "__init__.py")]
    named = _named_files(tree, folder=path.parent, root=root)
    imported = _imported_modules(tree, package=_package_of(module, path))
    return {str(file.relative_to(root)): file for file in named}, tuple(imported.values())


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


def _follow_names(tree: ast.Module, name: str) -> tuple[dict[str, ast.stmt], set[str]]:
    """Definitions of this module that `name` reaches, and all names used in them."""
    known = _definitions(tree)
    reached: dict[str, ast.stmt] = {}
    used: set[str] = set()
    queue = [name]
    while queue:
        current = queue.pop()
        if current in reached or current not in known:
            continue
        reached[current] = known[current]
        names = {n.id for n in ast.walk(known[current]) if isinstance(n, ast.Name)}
        used |= names
        queue.extend(names)
    return reached, used


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
    tree = _parse(path)
    reached, used = _follow_names(tree, name)
    if not reached:
        raise LookupError(f"{module} does not define {name} at its top level")
    root = path.parents[module.count(".")]
    modules: dict[str, Path] = {}
    imports = _imported_modules(tree, package=_package_of(module, path))
    for target in {target for local, target in imports.items() if local in used}:
        _reach_module(target, modules)
    for node in reached.values():
        for file in _named_files(node, folder=path.parent, root=root):
            modules[str(file.relative_to(root))] = file
    digest = hashlib.sha256()
    for key in sorted(reached):
        digest.update(f"{module}:{key}\0{ast.dump(reached[key])}\0".encode())
    for key, file in sorted(modules.items()):
        digest.update(f"{key}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()
