"""Settings are read once, refused when unknown, and said in words."""

import errno
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from flows.attacks.target import make_target
from tasks.effects.panel import CONTROL
from tasks.platform.errors import ConfigError
from tasks.platform.settings import (
    CONTROLS,
    FakeAttack,
    Settings,
    TextAttack,
    default_attributes,
    load_settings,
)
from tasks.platform.site import resolve_site
from tasks.robustness.scorecard import NAMES
from tasks.robustness.text.recipes import ATTACKS
from tests.robustness.worlds import toy_corpus


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


def test_a_tilde_is_the_home_folder_of_who_runs_this(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    text = (
        '[paths]\nhome = "~/shop"\nlake = "~/lake"\n[warehouse]\ncatalog = "sqlite:~/c.sqlite"\n'
        '[[sources]]\nname = "s"\nkind = "mapping"\npath = "~/drops"\nmapping = "~/s.toml"\n'
    )
    settings = load_settings(write(tmp_path, text))
    site, me = resolve_site(settings), str(tmp_path / "me")
    assert (site.lake_root, site.cache_root) == (f"{me}/lake", f"{me}/shop/cache")
    assert site.catalog == f"sqlite:{me}/c.sqlite"
    assert (settings.sources[0].path, settings.sources[0].mapping) == (
        f"{me}/drops",
        f"{me}/s.toml",
    )


def test_relative_places_start_at_the_settings_file(tmp_path: Path) -> None:
    site = resolve_site(load_settings(write(tmp_path, '[paths]\nhome = "here"\n')))
    assert site.lake_root == str(tmp_path / "here" / "lake")
    assert site.catalog == f"sqlite:{tmp_path / 'here' / 'warehouse' / 'catalog.sqlite'}"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[text]\nbatch = 3\n", "text.batch"),
        (
            "[effects]\nfold = 3\n",
            r"no such key \(did you mean folds\?\); allowed are outcome, windows_days",
        ),
        ("efects = 3\n", r"did you mean effects\?\); allowed are paths, "),
        (
            "[sources]\nname = 'a'\nkind = 'sample'\npath = 'x'\n",
            r"write \[\[sources\]\] above each",
        ),
        ("[[sources]]\nnam = 'a'\nkind = 'sample'\npath = 'x'\n", r"did you mean name\?"),
        ("[extract.attributes]\nname = 'a'\nseeds = ['b']\n", r"\[\[extract.attributes\]\] above"),
        ("[[effects]]\nfolds = 3\n", r"write \[effects\] above it"),
        ("[robustness]\neffect_attacks = ['nonsense']\n", "'fake-reviews' or 'gradient'"),
        ("[robustness]\ntext_attacks = ['nonsense']\n", "'swaps', 'keyboard'"),
        ("[robustness]\ntext_attacks = ['paraphrase']\n", "'swaps', 'keyboard'"),
        ("[effects]\nsegments = ['nope']\n", "'nope' is no control; allowed are c__price_usd"),
        ("[effects]\nsegments = ['c__brands']\n", "did you mean c__brand"),
        ("[effects]\nnegative_controls = ['user_group']\n", "'user_group' is no control"),
        ("[effects]\nwindows_days = []\n", "at least 1 item"),
        ("[effects]\nwindows_days = [0, -7]\n", "greater than or equal to 0, found -7"),
        ("[effects]\nwindows_days = [7, 0, 7]\n", "7 is there more than once"),
        ("[serve]\ncron = 'x'\n", "is no schedule; write five fields"),
        ("[serve]\nsweep_cron = 'every single day of week'\n", "is no schedule; write five fields"),
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
    with pytest.raises(ConfigError, match=words):
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


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("WHYREC_PATHS", "foo", "WHYREC_PATHS could not be read; set one key at a time, as WHYREC_PATHS__HOME"),
        ("WHYREC_SOURCES", "x", "WHYREC_SOURCES could not be read; write a list as JSON"),
        ("WHYREC_ALERTS", "my secret", "WHYREC_ALERTS could not be read"),
        ("WHYREC_EFFECTS__FOLD", "7", "did you mean folds"),
        ("WHYREC_EFFECTS__WINDOWS_DAYS", "foo", "WINDOWS_DAYS could not be read; write a list"),
    ],
)  # fmt: skip
def test_a_variable_that_cannot_be_read_is_named_without_its_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=words) as caught:
        load_settings(write(tmp_path, ""))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "cron", ["30 2 * * *", "*/15 0-6,22 1 JAN-MAR MON#1", "@daily", "0 4 ? * 1"]
)
def test_schedules_as_cron_has_them_are_taken(tmp_path: Path, cron: str) -> None:
    assert load_settings(write(tmp_path, f"[serve]\ncron = '{cron}'\n")).serve.cron == cron


def test_attacks_and_controls_that_settings_name_are_those_there_are() -> None:
    assert get_args(FakeAttack) == NAMES
    with_models = ("paraphrase", "back-translation")
    assert get_args(TextAttack) == tuple(name for name in ATTACKS if name not in with_models)
    panel = make_target(toy_corpus().frame, attributes=["price"]).panel
    found = {name for name in panel.columns if name.startswith(CONTROL)}
    assert found == set(CONTROLS)


def test_a_settings_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    file = tmp_path / "whyrec.toml"
    file.write_text('[paths]\nhome = "there"\n', encoding="utf-8-sig")
    assert load_settings(file).paths.home == "there"


def test_a_settings_file_that_cannot_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "whyrec.toml"
    file.touch()

    def refuse(*_: object, **__: object) -> str:
        raise PermissionError(errno.EACCES, "Permission denied", str(file))

    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(ConfigError, match=r"whyrec.toml cannot be read \(Permission denied\)"):
        load_settings(file)


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
