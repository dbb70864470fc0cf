"""Eight-bit integers for the products with weights, by levels found once on built-in texts.

Inputs get 256 levels between two fixed ends (asymmetric), weights 255 around zero for each output
channel (Jacob et al. 2018, https://arxiv.org/abs/1712.05877). The ends are fixed, so a text's vector
does not depend on its batch, as it would with ends taken from each batch.

A few channels of an input reach ten times as far as the others and would leave these few levels.
Channels are therefore divided by a scale, and the weights that meet them multiplied by it (Xiao et
al. 2023, SmoothQuant, https://arxiv.org/abs/2211.10438): how much of a channel's reach moves over to
the weights is tried for each input, and what errs least on the built-in texts is kept.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from tasks.text.backends.base import Tokens

if TYPE_CHECKING:
    import openvino

RECIPE: Final = "levels-1"
"""Names how int8 vectors come about; change it with the code here."""
_LEVELS_FILE: Final = "levels.json"
_INPUT_LEVELS: Final = 256
_WEIGHT_LEVELS: Final = 255
_STRENGTHS: Final = (0.4, 0.55, 0.7, 0.85, 1.0)
"""Shares of a channel's reach that may move to the weights; with 1 all channels reach equally far."""
_MARGINS: Final = (1.0, 1.25, 1.5, 2.0)
"""How many times as far as what was seen the ends may lie."""
_EVERY: Final = 2
"""One token in so many of a text that errors are measured on is kept for it."""
_LEAST: Final = 1e-5

Values = npt.NDArray[np.float32]


@dataclass(frozen=True)
class InputLevels:
    """An input divided by `scale`, one number a channel, has its levels from `low` to `high`."""

    scale: list[float]
    low: float
    high: float


@dataclass(frozen=True)
class Ends:
    """Least and greatest value of each channel, shape (n_in,) both."""

    low: Values
    high: Values

    def join(self, other: "Ends") -> "Ends":
        """The outer ends of both."""
        return Ends(np.minimum(self.low, other.low), np.maximum(self.high, other.high))


def measure_levels(
    model: "openvino.Model", batches: Iterable[tuple[Tokens, Tokens]]
) -> dict[str, InputLevels]:
    """Levels of each input of products with weights, by the name of what makes that input.

    `batches`, two at least, are ids and masks, both (rows, width); what stands at masked places does
    not count.
    """
    ends: dict[str, list[Ends]] = {}
    rows: dict[str, list[Values]] = {}
    for number, inputs in enumerate(_watch_inputs(model, batches)):
        for name, values in inputs.items():
            ends.setdefault(name, []).append(Ends(values.min(axis=0), values.max(axis=0)))
            if number % 2:
                rows.setdefault(name, []).append(values[::_EVERY].copy())
    return {
        name: choose_levels(
            np.concatenate(rows[name]),
            ends=reduce(Ends.join, ends[name][::2]),
            all_ends=reduce(Ends.join, ends[name]),
            weights=np.concatenate([_read_weight(product) for product in products]),
        )
        for name, products in _group_products(model).items()
    }


def choose_levels(rows: Values, *, ends: Ends, all_ends: Ends, weights: Values) -> InputLevels:
    """The levels, from `all_ends`, that by `ends` have the least squared error of `rows @ weights.T`.

    `rows` has shape (n, n_in) and lies not always within `ends`; `weights` (n_out, n_in).
    """
    wanted = rows @ weights.T
    found: list[tuple[float, float | None, float]] = []
    for strength in (None, *_STRENGTHS):
        scale = _find_scale(ends, weights, strength)
        rounded_weights = _round_weights(weights * scale).T
        for margin in _MARGINS:
            low, high = _find_range(ends, scale, margin)
            products = _round_inputs(rows / scale, low, high) @ rounded_weights
            found.append((float(np.square(products - wanted).mean()), strength, margin))
    _, strength, margin = min(found, key=lambda choice: choice[0])
    scale = _find_scale(all_ends, weights, strength)
    return InputLevels([float(part) for part in scale], *_find_range(all_ends, scale, margin))


def quantise_model(model: "openvino.Model", levels: Mapping[str, InputLevels]) -> "openvino.Model":
    """A copy of `model` whose products with weights take eight-bit inputs and weights."""
    from openvino import opset13

    quantised: openvino.Model = model.clone()
    for name, products in _group_products(quantised).items():
        source, scale = products[0].input_value(0), np.array(levels[name].scale, dtype=np.float32)
        low, high = np.float32(levels[name].low), np.float32(levels[name].high)
        if (scale != 1).any():
            source = opset13.multiply(source, (1 / scale).reshape(1, 1, -1)).output(0)
        inputs = opset13.fake_quantize(source, low, high, low, high, _INPUT_LEVELS)
        for product in products:
            weight = _read_weight(product) * scale
            reach = _reach_rows(weight)
            rounded = opset13.fake_quantize(weight, -reach, reach, -reach, reach, _WEIGHT_LEVELS)
            product.input(0).replace_source_output(inputs.output(0))
            product.input(1).replace_source_output(rounded.output(0))
    quantised.validate_nodes_and_infer_types()
    return quantised


def write_levels(levels: Mapping[str, InputLevels], folder: Path) -> None:
    """Keep levels beside the converted network."""
    content = {name: asdict(found) for name, found in levels.items()}
    (folder / _LEVELS_FILE).write_text(json.dumps(content), encoding="utf-8")


def read_levels(folder: Path) -> dict[str, InputLevels]:
    """What `write_levels` wrote."""
    stored = json.loads((folder / _LEVELS_FILE).read_text(encoding="utf-8"))
    return {name: InputLevels(**found) for name, found in stored.items()}


def _watch_inputs(
    model: "openvino.Model", batches: Iterable[tuple[Tokens, Tokens]]
) -> Iterator[dict[str, Values]]:
    """For each batch, the inputs of products with weights in fp32, (tokens, n_in), by their name."""
    from tasks.text.backends.openvino_backend import compile_model, list_inputs

    watched = model.clone()
    sources = {name: found[0].input_value(0) for name, found in _group_products(watched).items()}
    results = watched.add_outputs(list(sources.values()))
    compiled = compile_model(watched, numbers="fp32")
    for ids, mask in batches:
        given = list_inputs(compiled, ids, mask)
        answers = compiled(given)
        kept = np.ones(given[0].shape, dtype=np.bool_) if len(given) > 2 else mask > 0
        yield {
            name: np.asarray(answers[result.get_any_name()])[kept]
            for name, result in zip(sources, results, strict=True)
        }


def _find_scale(ends: Ends, weights: Values, strength: float | None) -> Values:
    """What to divide channels by, shape (n_in,), of geometric mean 1; None leaves them as they are."""
    if strength is None:
        return np.ones_like(ends.low)
    reach = np.maximum(np.maximum(np.abs(ends.low), np.abs(ends.high)), _LEAST)
    weight_reach = np.maximum(np.abs(weights).max(axis=0), _LEAST)
    log = strength * np.log(reach) - (1 - strength) * np.log(weight_reach)
    scale: Values = np.exp(log - log.mean()).astype(np.float32)
    return scale


def _find_range(ends: Ends, scale: Values, margin: float) -> tuple[float, float]:
    """Ends of all channels after scaling, on both sides of zero, `margin` times as far."""
    low, high = (ends.low / scale).min(), (ends.high / scale).max()
    return min(float(low) * margin, 0.0), max(float(high) * margin, 0.0)


def _group_products(model: "openvino.Model") -> dict[str, list["openvino.Node"]]:
    """Products of (rows, width, in) inputs with constant (out, in) weights, by their input's name."""
    found: dict[str, list[openvino.Node]] = {}
    for node in model.get_ordered_ops():
        if node.get_type_name() != "MatMul" or not node.get_attributes()["transpose_b"]:
            continue
        weight = node.input_value(1).get_node()
        if weight.get_type_name() != "Constant" or node.get_input_partial_shape(0).rank != 3:
            continue
        source = node.input_value(0).get_node().get_friendly_name()
        found.setdefault(source, []).append(node)
    return found


def _read_weight(product: "openvino.Node") -> Values:
    return np.array(product.input_value(1).get_node().data, dtype=np.float32)


def _reach_rows(weight: Values) -> Values:
    """Greatest absolute weight of each output channel, shape (n_out, 1)."""
    reach: Values = np.maximum(np.abs(weight).max(axis=1, keepdims=True), np.float32(1e-12))
    return reach


def _round_weights(weight: Values) -> Values:
    step = 2 * _reach_rows(weight) / (_WEIGHT_LEVELS - 1)
    rounded: Values = (np.round(weight / step) * step).astype(np.float32)
    return rounded


def _round_inputs(rows: Values, low: float, high: float) -> Values:
    step = np.float32(max(high - low, _LEAST) / (_INPUT_LEVELS - 1))
    number = np.round((np.clip(rows, low, high) - np.float32(low)) / step)
    rounded: Values = (number * step + np.float32(low)).astype(np.float32)
    return rounded
