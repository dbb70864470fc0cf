from dataclasses import replace

import numpy as np
import pytest

from tasks.platform.errors import ConfigError
from tasks.recommend import evaluate
from tasks.recommend.evaluate import evaluate_models
from tasks.recommend.scores import describe_groups
from tasks.recommend.sources import load_source
from tests.recommend.worlds import find_real_data


def test_an_unknown_model_is_refused_with_those_there_are():
    source = load_source("coat", find_real_data("coat"))
    with pytest.raises(ConfigError, match="stabledr"):
        evaluate_models(source, ["magic"])


def test_coat_reaches_its_bars_and_debiasing_pays(monkeypatch):
    protocol = {**evaluate.load_protocol(), "penalties": [1.0], "folds": 2}
    monkeypatch.setattr(evaluate, "load_protocol", lambda: protocol)
    source = load_source("coat", find_real_data("coat"))
    answer = evaluate_models(source, ["features", "ips"], seeds=1)
    naive, ips = answer["models"]
    assert ips["mse"]["mean"] <= 1.0
    assert ips["auc"]["mean"] >= 0.815
    assert ips["ndcg_at_5"]["mean"] >= 0.73
    assert ips["mse"]["mean"] < naive["mse"]["mean"] - 0.02
    assert ips["auc"]["mean"] > naive["auc"]["mean"]
    (beside,) = answer["comparisons"]
    assert (beside["model"], beside["naive"], beside["verdict"]) == ("ips", "features", "better")
    assert answer["baseline"]["mse"] > naive["mse"]["mean"]


def test_tuning_never_looks_at_the_test():
    source = load_source("coat", find_real_data("coat"))
    small = source.train.take(np.arange(0, len(source.train), 8))
    protocol = {**evaluate.load_protocol(), "folds": 2}
    blind = replace(source, train=small, test=source.test.take(np.array([], dtype=int)))
    known, _ = evaluate.find_propensities(blind.train, given=blind.propensities)
    assert evaluate.tune_model("mf-ips", small, known, protocol)[0] in protocol["powers"]


def test_groups_of_users_and_items_are_scored():
    source = load_source("coat", find_real_data("coat"))
    rows = describe_groups(
        source.test.ratings, source.test, users=source.groups, items=source.providers,
        relevant=3.0, top_k=5,
    )  # fmt: skip
    assert {row["side"] for row in rows} == {"user", "item"}
    assert all(row["mse_gap"] == 0 for row in rows)
    assert all(sum(level["n"] for level in row["levels"]) == len(source.test) for row in rows)
