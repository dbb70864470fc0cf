"""The walls of the house: who may import whom."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("ingest", "quality", "text", "effects", "recommend", "robustness", "report")
FILES = sorted(
    [*ROOT.glob("flows/**/*.py"), *ROOT.glob("tasks/**/*.py"), *ROOT.glob("expectations/**/*.py")]
)


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_only_flows_and_task_files_import_prefect(path: Path) -> None:
    is_allowed = path.is_relative_to(ROOT / "flows") or path.name == "task.py"
    uses = {name for name in imported(path) if name.split(".")[0] == "prefect"}
    assert is_allowed or not uses


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_rooms_do_not_import_one_another(path: Path) -> None:
    if not path.is_relative_to(ROOT / "tasks"):
        return
    own = path.relative_to(ROOT / "tasks").parts[0]
    others = {f"tasks.{room}" for room in ROOMS if room != own}
    found = {
        name
        for name in imported(path)
        if any(name == o or name.startswith(f"{o}.") for o in others)
    }
    assert not found
    assert not {name for name in imported(path) if name.split(".")[0] == "flows"}


@pytest.mark.parametrize("path", sorted(ROOT.glob("sql/**/*.sql")), ids=lambda p: p.name)
def test_each_sql_file_is_one_commented_statement(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.startswith("--")
    code = "\n".join(line.split("--")[0] for line in text.splitlines())
    assert ";" not in code.strip().rstrip(";")


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_nothing_is_imported_behind_the_back_of_the_cache_key(path: Path) -> None:
    called = {
        node.func.id if isinstance(node.func, ast.Name) else f".{getattr(node.func, 'attr', '')}"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
    }
    assert not called & {"import_module", ".import_module", "__import__", "exec", "eval"}
