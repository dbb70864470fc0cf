"""The Open Bandit Dataset both ways: each log's value is held against the other log's own mean.

The data is never part of the project; it is looked for at `WHYREC_REAL_DATA`, by default
`../shared/data`, and the tests are skipped where it is absent.
"""

import os
from pathlib import Path

import pytest

from flows.desk.policies import estimate_position_file, evaluate_policy_file

DATA = Path(os.environ.get("WHYREC_REAL_DATA", "../shared/data"))


def find(policy: str) -> str:
    path = DATA / "obd" / policy / "men" / "men.csv"
    if not path.exists():
        pytest.skip(f"{path} is absent; set WHYREC_REAL_DATA to the folder that holds obd")
    return str(path)


def test_the_bandits_value_is_read_from_the_random_log():
    answer = evaluate_policy_file(find("random"), target_policy=find("bts"))
    assert answer["target_on_policy"]["value"] == pytest.approx(0.0069)
    assert answer["behaviour"]["value"] == pytest.approx(0.0046)
    for row in answer["estimates"]:
        assert row["ci_low"] < 0.0069 < row["ci_high"]
    assert answer["target_on_policy"]["difference"]["ci_low"] < 0


def test_the_random_policys_value_is_read_from_the_bandits_log_with_an_alarm():
    answer = evaluate_policy_file(find("bts"), target_policy="uniform")
    for row in answer["estimates"]:
        assert row["ci_low"] < 0.0046 < row["ci_high"]
    assert answer["overlap"]["effective_share"] < 0.1
    assert answer["verdict"] != "credible"
    assert any("weak overlap" in reason for reason in answer["reasons"])


def test_positions_of_the_random_log_are_compared_as_an_experiment():
    answer = estimate_position_file(find("random"))
    assert [row["position"] for row in answer["positions"]] == ["2", "3"]
    assert all("at random" in " ".join(row["reasons"]) for row in answer["positions"])
