"""A task's code hash changes with what the task can reach, and with nothing else."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.platform import code

TASK = """
from tasks.room import helper, other
from tasks.platform_x import base
LIMIT = 3
def used(x): return helper.help(x) + LIMIT
def first(x):
    return used(x)
def second(x):
    return other.other(x)
def third(x):
    from tasks.room.late import late
    return late(x) + len(read_sql("clean/thing"))
def fourth(table): return read_sql(f"clean/{table}_insert")
def fifth(): return get_template("page.j2")
"""


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    files = {
        "tasks/room/task.py": TASK,
        "tasks/room/helper.py": "from tasks.room.deep import deep\ndef help(x): return deep(x)\n",
        "tasks/room/deep.py": "from importlib import resources\ndef deep(x): return open('word.txt')\n",
        "tasks/room/word.txt": "one",
        "tasks/room/other.py": "def other(x): return x\n",
        "tasks/room/late.py": "def late(x): return x\n",
        "tasks/platform_x/base.py": "A = 1\n",
        "tasks/room/templates/page.j2": "{% extends 'base.j2' %}\n{% include 'part.j2' %}\n",
        "tasks/room/templates/base.j2": "{% from 'page.j2' import it %}\n",
        "tasks/room/templates/part.j2": '{%- include "deeper.j2" %}\n',
        "tasks/room/templates/deeper.j2": "deep\n",
        "tasks/room/templates/other.j2": "of nobody\n",
        "sql/clean/thing.sql": "-- one\nSELECT 1\n",
        "sql/clean/thing_insert.sql": "-- one\nSELECT 1\n",
        "sql/raw/thing_insert.sql": "-- one\nSELECT 1\n",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for folder in ("tasks", "tasks/room", "tasks/platform_x", "sql"):
        (tmp_path / folder / "__init__.py").write_text("")
    before = {n: m for n, m in sys.modules.items() if n.split(".")[0] in ("tasks", "sql")}
    for name in before:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in [n for n in sys.modules if n.split(".")[0] in ("tasks", "sql")]:
        del sys.modules[name]
    sys.modules.update(before)
    forget()


def forget() -> None:
    for cached in (
        code._find_source,
        code._read_facts,
        code._hash_file,
        code._read_links,
        code._list_included,
        code._hash_function,
    ):
        cached.cache_clear()
    importlib.invalidate_caches()


def hashes() -> dict[str, str]:
    forget()
    return {
        name: code._hash_function("tasks.room.task", name)
        for name in ("first", "second", "third", "fourth", "fifth")
    }


@pytest.mark.parametrize(
    ("file", "changed"),
    [
        ("tasks/room/helper.py", {"first"}),
        ("tasks/room/deep.py", {"first"}),
        ("tasks/room/word.txt", {"first"}),
        ("tasks/room/other.py", {"second"}),
        ("tasks/room/late.py", {"third"}),
        ("sql/clean/thing.sql", {"third"}),
        ("sql/clean/thing_insert.sql", {"fourth"}),
        ("sql/raw/thing_insert.sql", set()),
        ("tasks/room/templates/page.j2", {"fifth"}),
        ("tasks/room/templates/base.j2", {"fifth"}),
        ("tasks/room/templates/deeper.j2", {"fifth"}),
        ("tasks/room/templates/other.j2", set()),
        ("tasks/platform_x/base.py", set()),
    ],
)
def test_editing_a_file_changes_exactly_the_tasks_that_reach_it(
    house: Path, file: str, changed: set[str]
) -> None:
    before = hashes()
    path = house / file
    path.write_text(path.read_text() + ("\n# edited" if path.suffix == ".py" else " edited"))
    after = hashes()
    assert {name for name in before if before[name] != after[name]} == changed


def test_editing_a_function_or_constant_of_the_task_file_changes_its_users_only(
    house: Path,
) -> None:
    path = house / "tasks/room/task.py"
    before = hashes()
    path.write_text(path.read_text().replace("LIMIT = 3", "LIMIT = 4"))
    after = hashes()
    assert {name for name in before if before[name] != after[name]} == {"first"}


def test_a_hash_does_not_depend_on_where_the_code_lies(house: Path) -> None:
    before = hashes()
    assert before == hashes()
    assert len(set(before.values())) == 5


def test_what_is_remembered_of_files_is_what_they_say_and_a_broken_memory_is_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    source = tmp_path / "module.py"
    source.write_text("from tasks.platform import lake as store\nNAME = 'clean/reviews_select'\n")
    first = code._Shelf()
    said = first.read(source)
    first.save()
    again = code._Shelf()
    assert again.known == first.known
    assert again.read(source) == said
    assert said.whole.imports == (("store", "tasks.platform", 0, "lake"),)
    assert again.path is not None
    for broken in ("", "[]", '{"a": 1}'):
        again.path.write_text(broken)
        assert code._Shelf().read(source) == said
    source.write_text("NAME = 'clean/items_select'\n")
    assert again.read(source).definitions["NAME"].strings == ("clean/items_select",)


def test_without_a_home_folder_nothing_is_remembered_and_all_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lack() -> Path:
        raise RuntimeError("no home")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", lack)
    source = tmp_path / "module.py"
    source.write_text("NAME = 'clean/items_select'\n")
    shelf = code._Shelf()
    assert shelf.read(source).definitions["NAME"].strings == ("clean/items_select",)
    shelf.save()
