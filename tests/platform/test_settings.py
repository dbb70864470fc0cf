"""Settings are read once, refused when unknown, and said in words."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from tasks.platform.errors import ConfigError
from tasks.platform.settings import Settings, default_attributes, load_settings
from tasks.platform.site import resolve_site


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in list(os.environ):
        if name.startswith("WHYREC_"):
            monkeypatch.delenv(name)


def write(folder: Path, text: str) -> Path:
    path = folder / "whyrec.toml"
    path.write_text(text)
    return path


def test_defaults_need_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = load_settings()
    assert settings.sources == ()
    assert settings.extract.attributes == default_attributes()


def test_relative_places_start_at_the_settings_file(tmp_path: Path) -> None:
    site = resolve_site(load_settings(write(tmp_path, '[paths]\nhome = "here"\n')))
    assert site.lake_root == str(tmp_path / "here" / "lake")
    assert site.catalog == f"sqlite:{tmp_path / 'here' / 'warehouse' / 'catalog.sqlite'}"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[text]\nbatch = 3\n", "text.batch"),
        ("[ingest]\nmax_bad_share = 7\n", "less than or equal to 1, found 7"),
        ("nonsense = 1\n", "nonsense"),
        ("[[sources]]\nname = 'a'\nkind = 'amazon-1999'\npath = 'x'\n", "amazon-2014"),
        ("[text\n", "not valid TOML"),
        ("[serve]\ntimezone = 'Mars/Olympus'\n", "is no time zone"),
        ("[serve]\nport = 4201\n", "choose another for one"),
        (
            "[[sources]]\nname='a'\nkind='sample'\npath='x'\n[[sources]]\nname='a'\nkind='sample'\npath='y'\n",
            "distinct",
        ),
    ],
)
def test_a_wrong_setting_is_named_with_what_is_allowed(
    tmp_path: Path, text: str, words: str
) -> None:
    with pytest.raises(ConfigError, match=words.replace(".", r"\.")):
        load_settings(write(tmp_path, text))


def test_the_environment_wins_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHYREC_EFFECTS__FOLDS", "7")
    settings = load_settings(write(tmp_path, "[effects]\nfolds = 3\nbuckets = 50\n"))
    assert (settings.effects.folds, settings.effects.buckets) == (7, 50)


def test_an_unknown_variable_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHYREC_EFECTS__FOLDS", "7")
    with pytest.raises(ConfigError, match="WHYREC_EFECTS__FOLDS sets nothing"):
        load_settings(write(tmp_path, ""))


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no settings file"):
        load_settings(tmp_path / "absent.toml")


def test_the_example_file_states_the_defaults(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    example = Path(__file__).parents[2] / "whyrec.example.toml"
    monkeypatch.chdir(tmp_path)
    stated, default = load_settings(example), load_settings()
    assert stated.model_dump(exclude={"root"}) == default.model_dump(exclude={"root"})


def list_settings(model: type[BaseModel], above: str = "") -> Iterator[tuple[str, str]]:
    """(section, key) of every setting there is."""
    for name, about in model.model_fields.items():
        kinds = [about.annotation, *get_args(about.annotation)]
        inner = [k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel)]
        if inner:
            yield from list_settings(inner[0], f"{above}.{name}".lstrip("."))
        else:
            yield above, name


def list_stated(text: str) -> set[tuple[str, str]]:
    """(section, key) of everything that a settings file states, commented out or not."""
    found, section = set(), ""
    for line in text.splitlines():
        bare = line.removeprefix("# ")
        if head := re.match(r"\[+([a-z_.]+)\]+", bare):
            section = head[1]
        elif key := re.match(r"(\w+) = ", bare):
            found.add((section, key[1]))
    return found


def test_the_example_file_names_every_setting_and_no_other() -> None:
    example = Path(__file__).parents[2] / "whyrec.example.toml"
    wanted = set(list_settings(Settings)) - {("", "root")}
    assert list_stated(example.read_text()) == wanted
