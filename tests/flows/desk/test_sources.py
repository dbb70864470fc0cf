"""Where a command's table comes from."""

from pathlib import Path

import pytest

from flows.desk.sources import read_source
from tasks.platform.errors import ConfigError


def test_a_settings_file_that_is_not_there_is_refused_for_a_plain_file_too(tmp_path: Path) -> None:
    table = tmp_path / "a.csv"
    table.write_text("t,y\n1,2\n")
    assert read_source(str(table), None).rows() == [(1, 2)]
    with pytest.raises(ConfigError, match=r"no settings file at .*absent\.toml"):
        read_source(str(table), str(tmp_path / "absent.toml"))
