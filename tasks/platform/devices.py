"""What a network runs on, what it has room for, and how it is told that something did not fit."""

from importlib import metadata
from pathlib import Path
from typing import Literal

from tasks.platform.errors import ConfigError

Device = Literal["auto", "cpu", "cuda"]


def choose_device(asked: Device) -> Literal["cpu", "cuda"]:
    """The device that `asked` means here; torch is only loaded to ask where a GPU could be.

    Raises ConfigError when a GPU was asked for and none is usable.
    """
    if asked == "auto":
        return "cuda" if has_gpu() else "cpu"
    if asked == "cuda" and not has_gpu():
        raise ConfigError("device 'cuda' was asked for, none is usable here; set device = 'auto'")
    return asked


def has_gpu() -> bool:
    """Whether torch can use a CUDA device; cheap where there can be none."""
    if "+cpu" in metadata.version("torch") or not Path("/proc/driver/nvidia").exists():
        return False
    import torch

    return torch.cuda.is_available()


def count_places(positions: object) -> int | None:
    """Tokens of a text that a network of `max_position_embeddings` has places for, None if it says none."""
    if not isinstance(positions, int):
        return None
    # RoBERTa-like models keep two for themselves: 514.
    return positions - 2 if positions % 128 == 2 else positions


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error` means that a batch did not fit, on a GPU or in main memory."""
    message = str(error).lower()
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or "out of memory" in message
        or "can't allocate memory" in message
    )


def release_memory(device: Literal["cpu", "cuda"]) -> None:
    """Give back what torch holds of a GPU's memory for later."""
    if device == "cuda":
        import torch

        torch.cuda.empty_cache()
