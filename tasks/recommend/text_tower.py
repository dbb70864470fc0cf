"""A rating from what a review says: frozen token states, an LSTM, a line.

The sources' sketch (LSTM of 128 over a BERT's tokens, linear, squared error, Adam at 1e-3), done so
that it runs: the LSTM reads the encoder's states, not its token ids; its outputs are averaged over a
text's own tokens; training stops when held-out ratings, weighted by 1/p, are no longer predicted better.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tasks.platform.errors import ConfigError, EstimationError, InputError
from tasks.recommend.data import Codes, Floats
from tasks.recommend.train import Progress, Watch

States = Callable[[Codes], Sequence[npt.NDArray[Any]]]
"""The token states of some texts by row: arrays (tokens, dim), each of at least one token."""
_BUCKET: Final = 16
"""Batches are cut from this many at a time, sorted by length, so that little is padding."""


@dataclass(frozen=True)
class StoredStates:
    """States that lie in one array (tokens, dim), text n's in rows `starts[n]` to `starts[n + 1]`."""

    values: npt.NDArray[Any]
    starts: Codes

    def __call__(self, rows: Codes) -> list[npt.NDArray[Any]]:
        """The states of the texts `rows`."""
        return [self.values[self.starts[row] : self.starts[row + 1]] for row in rows]


@dataclass(frozen=True)
class TextRecipe:
    """How to train; `patience` epochs without a better validation loss end it."""

    hidden: int = 128
    dropout: float = 0.2
    rate: float = 1e-3
    decay: float = 1e-2
    batch: int = 32
    epochs: int = 30
    patience: int = 4
    validation: float = 0.15
    device: str = "cpu"

    def __post_init__(self) -> None:
        if min(self.hidden, self.batch, self.epochs, self.patience) < 1:
            raise ConfigError("hidden, batch, epochs and patience must be 1 or more")
        if not 0 < self.validation < 1 or not 0 <= self.dropout < 1:
            raise ConfigError("validation must lie in (0, 1) and dropout in [0, 1)")


@dataclass(frozen=True)
class TextModel:
    """A fitted tower: parameters by name, mean and spread of the ratings it learned from."""

    parameters: Mapping[str, npt.NDArray[np.float32]]
    dim: int
    hidden: int
    mean: float
    spread: float

    def predict(self, states: States, rows: Codes, *, device: str = "cpu") -> Floats:
        """Predicted ratings of the texts `rows`, shape (n,)."""
        network = _Tower(self.dim, self.hidden, dropout=0.0, device=device)
        network.load(self.parameters)
        return self.mean + self.spread * _predict(network, states, rows)

    def find_slopes(
        self, parts: Sequence[npt.NDArray[Any]], *, device: str = "cpu"
    ) -> list[npt.NDArray[np.float32]]:
        """By how much the predicted rating of each text rises per unit of each of its token states.

        `parts` are states (tokens, dim) of some texts; the answer has their shapes.
        """
        import torch

        network = _Tower(self.dim, self.hidden, dropout=0.0, device=device)
        network.load(self.parameters)
        network.module.eval()
        asked: list[Any] = [
            torch.tensor(np.asarray(part, dtype=np.float32), requires_grad=True) for part in parts
        ]
        slopes = torch.autograd.grad(network(asked).sum(), asked)
        return [np.float32(self.spread) * slope.numpy() for slope in slopes]


def fit_text(
    states: States,
    ratings: Floats,
    *,
    seed: int,
    propensities: Floats | None = None,
    recipe: TextRecipe | None = None,
    watch: Watch | None = None,
) -> TextModel:
    """The tower of least held-out error, both errors weighted by 1/`propensities`, all of shape (n,).

    Raises InputError for ratings or propensities that are no numbers above 0, or where there are too few.
    """
    import torch

    recipe = recipe or TextRecipe()
    weights = _weigh(ratings, propensities)
    order = np.random.default_rng(seed).permutation(len(ratings))
    n_held = round(recipe.validation * len(ratings))
    held, train = np.sort(order[:n_held]), np.sort(order[n_held:])
    if not len(held) or len(train) < 2:
        raise InputError(f"{len(ratings)} texts cannot be split for early stopping; give more")
    dim = states(train[:1])[0].shape[1]
    mean = float(np.average(ratings[train], weights=weights[train]))
    spread = float(ratings[train].std()) or 1.0
    with torch.random.fork_rng(devices=[]):  # a seed decides, and no one else's draws do
        torch.manual_seed(seed)
        network = _Tower(dim, recipe.hidden, dropout=recipe.dropout, device=recipe.device)
        targets = (ratings - mean) / spread
        kept = _train(network, states, targets, weights, train, held, recipe, seed, watch)
    return TextModel(kept, dim, recipe.hidden, mean, spread)


def _weigh(ratings: Floats, propensities: Floats | None) -> Floats:
    """1/p, of mean 1."""
    if not np.isfinite(ratings).all():
        raise InputError("ratings must be finite numbers; drop the rows that have none")
    chances = np.ones(len(ratings)) if propensities is None else propensities
    if chances.shape != ratings.shape or not ((chances > 0) & (chances <= 1)).all():
        raise InputError("propensities must be one for each rating and lie in (0, 1]; clip them")
    own: Floats = 1 / chances / np.mean(1 / chances)
    return own


def _train(
    network: "_Tower", states: States, targets: Floats, weights: Floats, train: Codes, held: Codes,
    recipe: TextRecipe, seed: int, watch: Watch | None,
) -> Mapping[str, npt.NDArray[np.float32]]:  # fmt: skip
    import torch

    optimiser = torch.optim.AdamW(
        network.module.parameters(), lr=recipe.rate, weight_decay=recipe.decay
    )
    rng = np.random.default_rng([seed, 1])
    best, least, idle = network.read(), np.inf, 0
    for epoch in range(1, recipe.epochs + 1):
        network.module.train()
        total = 0.0
        for rows, parts in _draw_batches(states, train, recipe.batch, rng):
            optimiser.zero_grad()
            loss = network.measure(parts, targets[rows], weights[rows])
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.module.parameters(), 1.0)
            optimiser.step()
            total += float(loss.detach()) * len(rows)
        error = (_predict(network, states, held) - targets[held]) ** 2
        now = float(np.average(error, weights=weights[held]))
        if not np.isfinite(now):
            raise EstimationError("training diverged; lower the rate or check the token states")
        if watch is not None:
            watch(Progress(epoch, total / len(train), now))
        idle = 0 if now < least else idle + 1
        if now < least:
            best, least = network.read(), now
        if idle >= recipe.patience:
            break
    return best


def _draw_batches(
    states: States, rows: Codes, size: int, rng: np.random.Generator
) -> Iterator[tuple[Codes, Sequence[npt.NDArray[Any]]]]:
    """Random batches of texts of like length; `_BUCKET` of them are held at a time."""
    order = rng.permutation(rows)
    for start in range(0, len(order), size * _BUCKET):
        some = order[start : start + size * _BUCKET]
        parts = states(some)
        by_length = np.argsort([len(part) for part in parts], kind="stable")
        for first in rng.permutation(np.arange(0, len(some), size)):
            batch = by_length[first : first + size]
            yield some[batch], [parts[place] for place in batch]


def _predict(network: "_Tower", states: States, rows: Codes, size: int = 64) -> Floats:
    import torch

    network.module.eval()
    found = np.empty(len(rows))
    with torch.inference_mode():
        for start in range(0, len(rows), size):
            parts = states(rows[start : start + size])
            found[start : start + size] = network(parts).cpu().numpy()
    return found


class _Tower:
    """States (tokens, dim) of some texts to a number each: layer norm, LSTM, mean over tokens, line."""

    def __init__(self, dim: int, hidden: int, *, dropout: float, device: str) -> None:
        import torch

        self._torch, self._device = torch, device
        self.module = torch.nn.ModuleDict({
            "norm": torch.nn.LayerNorm(dim),
            "lstm": torch.nn.LSTM(dim, hidden, batch_first=True),
            "dropout": torch.nn.Dropout(dropout),
            "line": torch.nn.Linear(hidden, 1),
        }).to(device)  # fmt: skip

    def __call__(self, parts: Sequence[npt.NDArray[Any]]) -> Any:
        """Predictions (texts,), in standard deviations from the mean."""
        torch, rnn = self._torch, self._torch.nn.utils.rnn
        lengths = torch.tensor([len(part) for part in parts])
        if int(lengths.min()) < 1:
            raise InputError("a text has no tokens; give it at least the encoder's own marks")
        padded = rnn.pad_sequence(
            [self._torch_of(part) for part in parts],
            batch_first=True,
        ).to(self._device)
        packed = rnn.pack_padded_sequence(
            self.module["norm"](padded), lengths, batch_first=True, enforce_sorted=False
        )
        outputs, _ = rnn.pad_packed_sequence(self.module["lstm"](packed)[0], batch_first=True)
        pooled = outputs.sum(dim=1) / lengths[:, None].to(self._device)  # what pads is 0
        return self.module["line"](self.module["dropout"](pooled))[:, 0]

    def _torch_of(self, part: Any) -> Any:
        """A tensor as it is, so that gradients reach it; anything else as a float32 one."""
        if self._torch.is_tensor(part):
            return part
        return self._torch.as_tensor(np.asarray(part, dtype=np.float32))

    def measure(self, parts: Sequence[npt.NDArray[Any]], targets: Floats, weights: Floats) -> Any:
        """Weighted mean squared error."""
        wanted, own = (
            self._torch.as_tensor(values, dtype=self._torch.float32, device=self._device)
            for values in (targets, weights)
        )
        return (own * (self(parts) - wanted) ** 2).mean()

    def read(self) -> dict[str, npt.NDArray[np.float32]]:
        """A copy of the parameters."""
        state = self.module.state_dict()
        return {name: value.detach().cpu().numpy().copy() for name, value in state.items()}

    def load(self, parameters: Mapping[str, npt.NDArray[np.float32]]) -> None:
        """Take over parameters; raises ConfigError when they are another network's."""
        state = {name: self._torch.as_tensor(value) for name, value in parameters.items()}
        try:
            self.module.load_state_dict(state)
        except RuntimeError as error:
            raise ConfigError(
                "these are not the parameters of a text tower; fit it anew"
            ) from error


def save_text(model: TextModel, file: Path) -> None:
    """Write the model as safetensors, its numbers as metadata."""
    from safetensors.numpy import save_file

    numbers = {"dim": model.dim, "hidden": model.hidden, "mean": model.mean, "spread": model.spread}
    save_file(dict(model.parameters), file, metadata={"text_tower": json.dumps(numbers)})


def load_text(file: Path) -> TextModel:
    """Read a model that `save_text` wrote; raises InputError for anything else."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="numpy") as stored:
            numbers = json.loads((stored.metadata() or {})["text_tower"])
            parameters = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, KeyError) as error:
        raise InputError(f"{file} holds no text model; fit one first") from error
    return TextModel(parameters, **numbers)
