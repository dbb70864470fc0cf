"""Eight bits where a few channels reach far: levels err less than without scales, in OpenVINO too."""

from functools import reduce
from pathlib import Path

import numpy as np
import pytest

from tasks.text.backends import choose, processor, quantise
from tasks.text.backends.quantise import Ends, InputLevels, choose_levels

RNG = np.random.default_rng(4)


def make_rows(n: int, *, n_wide: int = 3) -> np.ndarray:
    """Inputs of 64 channels, of which the first few reach thirty times as far as the others."""
    rows = np.random.default_rng(n).normal(size=(n, 64)).astype(np.float32)
    rows[:, :n_wide] *= 30
    return rows


WEIGHTS = RNG.normal(size=(48, 64)).astype(np.float32)


def ends_of(rows: np.ndarray) -> Ends:
    return Ends(rows.min(axis=0), rows.max(axis=0))


def choose_for(rows: np.ndarray) -> InputLevels:
    first, second = np.array_split(rows, 2)
    return choose_levels(second, ends=ends_of(first), all_ends=ends_of(rows), weights=WEIGHTS)


def measure_error(rows: np.ndarray, levels: InputLevels) -> float:
    """Share of the products' variance that is lost, worked out apart from the room's own rounding."""
    scale = np.array(levels.scale)
    step = (levels.high - levels.low) / 255
    numbers = np.clip(np.rint((rows / scale - levels.low) / step), 0, 255)
    scaled = WEIGHTS * scale
    weight_step = np.abs(scaled).max(axis=1, keepdims=True) / 127
    found = (numbers * step + levels.low) @ (np.rint(scaled / weight_step) * weight_step).T
    wanted = rows @ WEIGHTS.T
    return float(((found - wanted) ** 2).mean() / wanted.var())


def test_scales_let_the_narrow_channels_keep_their_levels() -> None:
    rows = make_rows(2000)
    levels = choose_for(rows)
    assert max(levels.scale[3:]) < min(levels.scale[:3])
    low, high = rows.min(), rows.max()
    plain = InputLevels([1.0] * 64, float(low), float(high))
    fresh = make_rows(501)
    assert measure_error(fresh, levels) < measure_error(fresh, plain) / 4


@pytest.mark.parametrize(("share_seen", "is_widened"), [(1.0, False), (0.3, True)])
def test_ends_lie_further_out_where_texts_between_were_cut_off(
    share_seen: float, is_widened: bool
) -> None:
    rows = make_rows(400)
    ends = Ends(rows.min(axis=0) * share_seen, rows.max(axis=0) * share_seen)
    levels = choose_levels(rows, ends=ends, all_ends=ends, weights=WEIGHTS)
    seen = (ends.high / np.array(levels.scale)).max()
    assert (levels.high > 1.2 * seen) == is_widened


def test_levels_survive_being_kept(tmp_path: Path) -> None:
    levels = {"a/b": choose_for(make_rows(100))}
    quantise.write_levels(levels, tmp_path)
    assert quantise.read_levels(tmp_path) == levels


def test_ends_join_to_the_outer_ones() -> None:
    joined = reduce(Ends.join, [ends_of(make_rows(n)) for n in (5, 6, 7)])
    rows = np.concatenate([make_rows(n) for n in (5, 6, 7)])
    np.testing.assert_array_equal(joined.low, rows.min(axis=0))
    np.testing.assert_array_equal(joined.high, rows.max(axis=0))


def test_a_model_measured_and_quantised_stays_near_itself() -> None:
    if not choose.is_installed("openvino") or not processor.has_fast("int8"):
        pytest.skip("needs openvino and a processor with eight-bit products")
    import openvino
    from openvino import opset13 as ops

    from tasks.text.backends.openvino_backend import compile_model

    ids, mask = (ops.parameter([-1, -1], np.int64, name=name) for name in ("ids", "mask"))
    table = ops.constant(make_rows(40))
    inputs = ops.gather(table, ids, ops.constant(0))
    product = ops.matmul(inputs, ops.constant(WEIGHTS), False, True)
    seen = ops.multiply(product, ops.unsqueeze(ops.convert(mask, "f32"), ops.constant(2)))
    model = openvino.Model([seen], [ids, mask], "product")
    tokens = np.arange(40).reshape(4, 10)
    ones = np.ones_like(tokens)
    cut = np.concatenate([ones[:, :6], 0 * ones[:, 6:]], axis=1)
    levels = quantise.measure_levels(model, [(tokens, ones), (tokens[::-1].copy(), cut)])
    assert len(levels) == 1
    wanted, found = (
        compile_model(m, numbers=numbers)([tokens, ones])[0]
        for m, numbers in ((model, "fp32"), (quantise.quantise_model(model, levels), "int8"))
    )
    assert 0 < np.abs(found - wanted).max() < 0.03 * np.abs(wanted).max()
