"""The network in torch: the reference on a CPU, and what a GPU runs."""

from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from tasks.platform.devices import release_memory
from tasks.platform.errors import ConfigError
from tasks.text.backends.base import Pooling, Tokens, Vectors
from tasks.text.model_files import first_line, require_safetensors

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

_LEAST_TOKENS: Final = 1024
"""Matrix products of fewer rows than some 400 take another kernel and differ in the last bit."""


class TorchBackend:
    """Transformers' own network, with pooling and normalisation in fp32."""

    is_packed = False
    streams = 1

    def __init__(
        self,
        folder: Path,
        pooling: Pooling,
        *,
        device: Literal["cpu", "cuda"],
        numbers: Literal["fp32", "bf16"],
    ) -> None:
        network = load_network(folder, numbers=numbers)
        self._network = pool_network(network, pooling).to(device)
        self._device = device
        self.least_tokens = _LEAST_TOKENS if device == "cpu" else 0

    def embed(self, ids: Tokens, mask: Tokens) -> Vectors:
        """Unit vectors, shape (rows, dim)."""
        import torch

        with torch.inference_mode():
            unit = self._network(
                torch.from_numpy(ids).to(self._device), torch.from_numpy(mask).to(self._device)
            )
        vectors: Vectors = unit.cpu().numpy()
        return vectors

    def release(self) -> None:
        """Empty the GPU's cache of freed blocks."""
        release_memory(self._device)


def load_network(folder: Path, *, numbers: Literal["fp32", "bf16"]) -> "PreTrainedModel":
    """The network in a model's folder, on the CPU; raises ConfigError when it cannot be loaded."""
    import torch
    from transformers import AutoModel
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    require_safetensors(folder)
    try:
        network = AutoModel.from_pretrained(
            folder,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            dtype=torch.bfloat16 if numbers == "bf16" else torch.float32,
        )
    except (OSError, ValueError, ImportError, KeyError) as error:
        raise ConfigError(f"cannot load the model in {folder}: {first_line(error)}") from error
    module: PreTrainedModel = network.eval()
    return module


def pool_network(network: "torch.nn.Module", pooling: Pooling) -> "torch.nn.Module":
    """`network` followed by its pooling, as sentence-transformers does it."""
    import torch

    class Pooled(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            hidden = self.network(input_ids=ids, attention_mask=mask).last_hidden_state
            return pool_hidden(hidden.float(), mask, pooling)

    return Pooled().eval()


def pool_hidden(hidden: "torch.Tensor", mask: "torch.Tensor", pooling: Pooling) -> "torch.Tensor":
    """Unit vectors, (texts, d), of last hidden states, (texts, width, d), where `mask` is not 0."""
    import torch

    if pooling == "cls":
        pooled = hidden[:, 0]
    else:
        weight = mask.unsqueeze(-1).float()
        pooled = (hidden * weight).sum(1) / weight.sum(1).clamp(min=1e-9)
    return torch.nn.functional.normalize(pooled, dim=1)
