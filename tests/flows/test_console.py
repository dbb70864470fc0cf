"""What a command says of an error that is the machine's: what was refused, and what to do."""

import errno
import json
import os
from pathlib import Path

import pytest

from flows.console import explain_errors
from flows.engine import describe_failure


def make_error(number: int, place: str = "/home/var/lake") -> OSError:
    return OSError(number, os.strerror(number), place)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (make_error(errno.ENOSPC), "the disk is full"),
        (RuntimeError("IO Error: could not write: No space left on device"), "the disk is full"),
        (make_error(errno.EACCES), "/home/var/lake may not be read or written (Permission denied)"),
        (make_error(errno.EROFS), "/home/var/lake may not be read or written (Read-only file"),
        (make_error(errno.ENOTDIR), "/home/var/lake cannot be used (Not a directory)"),
    ],
)
def test_what_the_machine_refuses_is_told_with_what_to_do(
    error: Exception, said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WHYREC_DEBUG", raising=False)
    with pytest.raises(SystemExit, match="1"), explain_errors(is_json=True):
        raise error
    out, err = capsys.readouterr()
    assert said in json.loads(out)["error"]
    assert said in err
    assert "not foreseen" not in err


def test_other_errors_ask_to_be_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WHYREC_DEBUG", raising=False)
    for error in (KeyError("x"), FileNotFoundError(errno.ENOENT, "gone", str(tmp_path))):
        with pytest.raises(SystemExit, match="1"), explain_errors():
            raise error
        assert "not foreseen" in capsys.readouterr().err


def test_no_error_tells_the_password_of_a_catalog(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WHYREC_DEBUG", raising=False)
    lost = OSError('Unable to connect to Postgres at "host=db password=s3cr3t dbname=lake": gone')
    with pytest.raises(SystemExit), explain_errors():
        raise lost
    told = describe_failure(lost) + capsys.readouterr().err
    assert told.count("dbname=lake") == 2
    assert "s3cr3t" not in told
