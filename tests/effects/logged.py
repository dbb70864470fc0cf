"""Logs simulated from known policies, so that every policy's true value is known exactly.

A row has one of 3 positions, one of 4 user segments, and one of A actions. Its mean reward is
`rate` * appeal of the action * examination of the position * taste of the segment, a product that
no additive model holds exactly. The logging policy is a softmax of `greed` * log appeal + noise by
position (and by segment when `is_personal`). The true value of a policy is the average over the 12
equally likely cells of what it plays there. The log's plain mean is the value of the logging
policy, which for greed above 0 lies above that of the uniform policy by the covariance of chance
and appeal.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

POSITIONS, SEGMENTS = 3, 4
EXAMINED = np.array([1.0, 0.7, 0.5])
"""Chance that a position is looked at, relative to the first."""
TASTE = np.array([0.6, 0.9, 1.1, 1.4])


@dataclass(frozen=True)
class World:
    """`mean` (3, 4, A): mean reward of an action by position and segment; `logging` alike, chances."""

    mean: np.ndarray
    logging: np.ndarray

    def value(self, policy: np.ndarray) -> float:
        """True value of a policy that `policy` (3, 4, A) or broadcastable describes."""
        return float((np.broadcast_to(policy, self.mean.shape) * self.mean).sum(axis=2).mean())


def make_world(
    rng: np.random.Generator,
    *,
    actions: int = 10,
    rate: float = 0.05,
    greed: float = 1.0,
    is_personal: bool = False,
) -> World:
    appeal = rng.gamma(2.0, 0.5, actions)
    mean = rate * appeal * EXAMINED[:, None, None] * TASTE[None, :, None]
    noise = rng.normal(size=(POSITIONS, SEGMENTS if is_personal else 1, actions))
    score = greed * (np.log(appeal) + noise)
    chance = np.exp(score - score.max(axis=2, keepdims=True))
    chance /= chance.sum(axis=2, keepdims=True)
    return World(np.minimum(mean, 1.0), np.broadcast_to(chance, mean.shape))


def draw_log(
    world: World, policy: np.ndarray, rows: int, rng: np.random.Generator, *, scale: float = 0.0
) -> pl.DataFrame:
    """Rows of a log; `scale` above 0 gives amounts (exponential, mean times scale), else clicks."""
    policy = np.broadcast_to(policy, world.mean.shape)
    position, segment = rng.integers(0, POSITIONS, rows), rng.integers(0, SEGMENTS, rows)
    chance = policy[position, segment]
    action = (rng.random((rows, 1)) > chance.cumsum(axis=1)[:, :-1]).sum(axis=1)
    mean = world.mean[position, segment, action]
    reward = scale * rng.exponential(mean) if scale else (rng.random(rows) < mean).astype(int)
    return pl.DataFrame(
        {
            "item_id": action,
            "position": position + 1,
            "segment": np.array(list("abcd"))[segment],
            "click": reward,
            "propensity_score": chance[np.arange(rows), action],
        }
    )


def uniform(world: World) -> np.ndarray:
    actions = world.mean.shape[2]
    return np.full(actions, 1 / actions)
