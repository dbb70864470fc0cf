"""A fitted recommender as one safetensors file, and how its parameters fit other users and items."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from tasks.platform.errors import InputError
from tasks.recommend.data import Floats
from tasks.recommend.debias import Fit
from tasks.recommend.models import Inputs, Recommender

AXES: Final[Mapping[str, tuple[str, ...]]] = {
    "mean": (), "user": ("users",), "item": ("items",), "user_features": ("user_columns",),
    "item_features": ("item_columns",), "cross": ("user_columns", "item_columns"),
    "taste": ("users", "item_columns"), "appeal": ("items", "user_columns"),
    "latent_user": ("users", "rank"), "latent_item": ("items", "rank"),
}  # fmt: skip
"""What the rows and columns of every parameter stand for."""
FORMAT = "whyrec-recommender-1"


@dataclass(frozen=True)
class Names:
    """Ids of users and items, and names of feature columns, in the order of a model's codes."""

    users: tuple[str, ...]
    items: tuple[str, ...]
    user_columns: tuple[str, ...] = ()
    item_columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Checkpoint:
    """A fit, whom and what its codes name, and `card`: how it was made, as JSON values."""

    fit: Fit
    names: Names
    card: Mapping[str, Any]

    @property
    def model(self) -> Recommender:
        """The fitted model."""
        return self.fit.model


def encode_checkpoint(checkpoint: Checkpoint) -> bytes:
    """One safetensors file: parameters stage by stage, features, names, card."""
    from safetensors.numpy import save

    tensors = {
        f"stage{k}.{name}": np.asarray(value, order="C")
        for k, stage in enumerate(checkpoint.fit.stages)
        for name, value in stage.parameters.items()
    }
    inputs = checkpoint.fit.stages[0].inputs
    tensors |= {f"inputs.{name}": np.asarray(v, order="C") for name, v in vars(inputs).items()}
    for name, values in vars(checkpoint.names).items():
        tensors[f"names.{name}"] = np.frombuffer(json.dumps(values).encode(), dtype=np.uint8)
    about = {"format": FORMAT, "card": dict(checkpoint.card)}
    # one key: several are written in an order of chance, and the same model must make the same bytes
    found: bytes = save(tensors, metadata={"whyrec": json.dumps(about, sort_keys=True)})
    return found


def decode_checkpoint(data: bytes) -> Checkpoint:
    """Read what `encode_checkpoint` wrote; raises InputError for anything else."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        tensors = load(data)
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        about = json.loads(header["__metadata__"]["whyrec"])
    except (SafetensorError, ValueError, KeyError) as error:
        raise InputError(f"this is no recommender ({str(error)[:100]})") from error
    if about.get("format") != FORMAT:
        raise InputError(f"this is no recommender of the form {FORMAT}; fit it again")
    inputs = Inputs(tensors["inputs.user_features"], tensors["inputs.item_features"])
    stages: list[Recommender] = []
    while own := {
        name.partition(".")[2]: value
        for name, value in tensors.items()
        if name.startswith(f"stage{len(stages)}.")
    }:
        stages.append(Recommender(own, inputs))
    names = Names(**{
        field: tuple(json.loads(tensors[f"names.{field}"].tobytes()))
        for field in Names.__dataclass_fields__
    })  # fmt: skip
    return Checkpoint(Fit(tuple(stages)), names, about["card"])


def align_parameters(
    parameters: Mapping[str, Floats], before: Names, now: Names
) -> dict[str, Floats]:
    """Parameters of a model of `before` for the users, items and columns of `now`; new ones are 0."""
    found = {}
    for name, value in parameters.items():
        for axis, kind in enumerate(AXES[name]):
            if kind != "rank":
                value = _move(value, axis, getattr(before, kind), getattr(now, kind))
        found[name] = value
    return found


def _move(value: Floats, axis: int, before: Sequence[str], now: Sequence[str]) -> Floats:
    if tuple(before) == tuple(now):
        return value
    places = {name: place for place, name in enumerate(before)}
    rows = np.array([places.get(name, -1) for name in now], dtype=np.int64)
    shape = list(value.shape)
    shape[axis] = len(now)
    moved = np.zeros(shape)
    known = np.flatnonzero(rows >= 0)
    index: list[Any] = [slice(None)] * value.ndim
    index[axis] = known
    moved[tuple(index)] = np.take(value, rows[known], axis=axis)
    return moved
