"""The network in OpenVINO (https://docs.openvino.ai): fused kernels for CPUs, in fp32, bf16 or int8.

The network is traced in torch once and kept as OpenVINO's own files; later starts need no torch.
"""

import threading
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from tasks.text.backends.base import Pooling, Tokens, Vectors
from tasks.text.backends.packed import pack_batch, pack_network
from tasks.text.backends.processor import count_threads, has_fast
from tasks.text.backends.torch_backend import load_network, pool_network

if TYPE_CHECKING:
    import openvino

MODEL_FILE: Final = "model.xml"
RECIPE: Final = "packed-1"
"""Names how a network is converted; change it with the code here and in `packed`."""
_STEPS: Final = {"fp32": 1, "bf16": 64, "int8": 64}
"""Tokens of a packed batch are a multiple of this: kernels for bf16 and int8 are made for one number
of tokens, which takes as long as the batch itself (int8), and are kept."""
_FIRST_CALL: Final = threading.Lock()


class OpenVinoBackend:
    """A compiled network; its vectors are the same to the last bit in any batch.

    `model` is what `convert_network` made, with quantised inputs and weights for "int8".
    """

    least_tokens = 0

    def __init__(self, model: "openvino.Model", *, numbers: Literal["fp32", "bf16", "int8"]):
        self.streams = count_threads()
        self._compiled = compile_model(model, numbers=numbers, streams=self.streams)
        self.is_packed = len(model.inputs) > 2
        self._step = _STEPS[numbers]
        self._requests = threading.local()
        # The binding prepares itself for arrays on its first call. Two first calls at once wait for
        # each other for ever: one holds its guard, the other the interpreter's lock.
        with _FIRST_CALL:
            one = np.ones((1, 1), dtype=np.int64)
            self.embed(one, one)

    def embed(self, ids: Tokens, mask: Tokens) -> Vectors:
        """Unit vectors, shape (rows, dim)."""
        # A request holds its own tensors: one for each thread that asks.
        if not hasattr(self._requests, "request"):
            self._requests.request = self._compiled.create_infer_request()
        inputs = list_inputs(self._compiled, ids, mask, step=self._step)
        vectors: Vectors = self._requests.request.infer(inputs)[0].copy()
        return vectors

    def release(self) -> None:
        """Drop the tensors of the largest batch so far."""
        self._compiled.release_memory()
        self._requests = threading.local()


def compile_model(
    model: "openvino.Model", *, numbers: Literal["fp32", "bf16", "int8"], streams: int = 1
) -> "openvino.CompiledModel":
    """`model` for this processor; what int8 leaves over runs in bf16 where the processor has it.

    `streams` batches run at once, each on its share of the threads: a core that works alone never
    waits for another.
    """
    import openvino

    is_half = numbers == "bf16" or (numbers == "int8" and has_fast("bf16"))
    options = {
        "INFERENCE_PRECISION_HINT": "bf16" if is_half else "f32",
        "INFERENCE_NUM_THREADS": count_threads(),
        "NUM_STREAMS": streams,
    }
    return openvino.Core().compile_model(model, "CPU", options)


def read_model(folder: Path) -> "openvino.Model":
    """The converted network that `convert_network` wrote."""
    import openvino

    return openvino.Core().read_model(folder / MODEL_FILE)


def list_inputs(
    model: "openvino.Model | openvino.CompiledModel", ids: Tokens, mask: Tokens, *, step: int = 1
) -> list[Tokens]:
    """What `model` takes for padded ids and their mask, (rows, width) both.

    That is them, or them packed, filled up to a multiple of `step` tokens.
    """
    return [ids, mask] if len(model.inputs) == 2 else list(pack_batch(ids, mask, step=step))


def convert_network(folder: Path, pooling: Pooling, target: Path) -> None:
    """Trace the network in `folder` with its pooling and write it, in fp32, into `target`.

    It takes packed batches where the architecture allows (`pack_network`), else padded ones.
    """
    import openvino
    import torch
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    network = load_network(folder, numbers="fp32")
    packed = pack_network(network, pooling)
    ids = np.ones((2, 16), dtype=np.int64)
    mask = np.ones_like(ids)
    mask[1, 12:] = 0  # a mask without a gap would be traced away
    example = (ids, mask) if packed is None else pack_batch(ids, mask)
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # the tracer warns of every shape it takes as given
        # `openvino.convert_model` does the same, and reports its use to a server on the way.
        frontend = FrontEndManager().load_by_framework("pytorch")
        decoder = TorchScriptPythonDecoder(
            packed or pool_network(network, pooling),
            example_input=tuple(torch.from_numpy(field) for field in example),
        )
        model = frontend.convert(frontend.load(decoder))
    model.reshape(
        {
            port: openvino.PartialShape([-1] * field.ndim)
            for port, field in zip(model.inputs, example, strict=True)
        }
    )
    openvino.save_model(model, target / MODEL_FILE, compress_to_fp16=False)
