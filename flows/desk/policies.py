"""Commands on a log of decisions: value of another policy, and what the position does."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from flows.desk.sources import WAREHOUSE_TABLES, read_source
from tasks.effects.ope.evaluate import evaluate_policy
from tasks.effects.ope.policy import ALLOWED, ALWAYS, COLUMN, COLUMNS, UNIFORM
from tasks.effects.ope.position import estimate_position_bias
from tasks.platform.errors import ConfigError


def evaluate_policy_file(
    path: str,
    *,
    target_policy: str,
    action: str | None = None,
    reward: str | None = None,
    propensity: str | None = None,
    position: str | None = None,
    context: Sequence[str] = (),
    target_context: Sequence[str] = (),
    cluster: str | None = None,
    estimators: Sequence[str] = ("ips", "snips", "dm", "dr", "dros"),
    catalogue: int | None = None,
    confidence: float = 0.95,
    config: str | None = None,
) -> dict[str, Any]:
    """Value of `target_policy` from the log at `path`: of a kind in ALLOWED."""
    return evaluate_policy(
        read_source(path, config),
        target=target_policy,
        target_log=read_target(target_policy, config),
        action=action,
        reward=reward,
        propensity=propensity,
        position=position,
        context=context,
        target_context=target_context,
        cluster=cluster,
        estimators=estimators,
        catalogue=catalogue,
        confidence=confidence,
    )


def read_target(target_policy: str, config: str | None = None) -> pl.DataFrame | None:
    """The log that `target_policy` names, None when it is a policy by itself."""
    if target_policy == UNIFORM or target_policy.startswith((ALWAYS, COLUMN, COLUMNS)):
        return None
    if not Path(target_policy).exists() and target_policy not in WAREHOUSE_TABLES:
        raise ConfigError(
            f"--target-policy {target_policy!r} is no file and no known policy; allowed are "
            f"{ALLOWED}"
        )
    return read_source(target_policy, config)


def estimate_position_file(
    path: str, *, config: str | None = None, **question: Any
) -> dict[str, Any]:
    """Effect of each position of the log at `path` against its first."""
    rows = estimate_position_bias(read_source(path, config), **question)
    return {"reference": rows[0]["reference"], "positions": rows}
