"""Scalars of a training for TensorBoard: a `Watch` for any `fit` of this room."""

from pathlib import Path
from types import TracebackType

from tasks.platform.errors import ConfigError
from tasks.recommend.train import Progress


class Logbook:
    """Writes `<name>/objective` and `<name>/validation` by step into `folder`; a context manager.

    Raises ConfigError where tensorboard is not installed.
    """

    def __init__(self, folder: Path, *, name: str = "fit") -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ConfigError(
                "scalars need tensorboard, which is not installed; pip install tensorboard"
            ) from error
        self.name = name
        self._writer = SummaryWriter(str(folder))

    def __call__(self, progress: Progress) -> None:
        """Add one look."""
        scalars = {"objective": progress.objective, "validation": progress.validation}
        for what, value in scalars.items():
            if value is not None:
                self._writer.add_scalar(f"{self.name}/{what}", value, progress.step)

    def __enter__(self) -> "Logbook":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._writer.close()
