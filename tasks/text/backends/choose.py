"""Which tier computes: the fastest that is here and keeps what the asked precision promises.

Every tier but the reference is measured against fp32 torch on built-in texts before it is used for
the first time on a machine; one that falls short is passed over, aloud.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Final

from tasks.platform.errors import ConfigError, WhyrecError
from tasks.text.backends.base import REFERENCE, BackendName, Precision, Tier
from tasks.text.backends.cache import make_key, provide_folder
from tasks.text.backends.probe import Quality, hash_texts
from tasks.text.backends.processor import describe_processor, has_fast

PROMISES: Final = {
    "exact": Quality(0.99999, 0.99999),
    "fast": Quality(0.999, 0.999),
    "fastest": Quality(0.95, 0.99),
}
"""What a precision promises on the built-in texts."""
_LADDER: Final = {
    "fastest": (Tier("openvino", "int8"),),
    "fast": (Tier("openvino", "bf16"), Tier("torch", "bf16")),
    "exact": (Tier("openvino", "fp32"), REFERENCE),
}
"""Best first; when a precision has no usable tier, the next one down is tried."""
_VERDICT: Final = "quality.json"


@dataclass(frozen=True)
class Choice:
    """The tier that computes, and why not a faster one.

    `quality` is what it was measured at (None: it is the reference, or runs on a GPU); `notes` say
    what was passed over: tiers that fell short, and on a lower precision than asked, all above.
    """

    tier: Tier
    quality: Quality | None = None
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.tier}" + (f" ({self.quality})" if self.quality else "")


def choose_tier(
    precision: Precision, backend: BackendName, *, measure: Callable[[Tier], Quality]
) -> Choice:
    """The first tier of the ladder that is usable here and keeps its promise by `measure`.

    Raises ConfigError when `backend` is not installed.
    """
    if backend == "openvino" and not is_installed("openvino"):
        raise ConfigError(
            "text.backend is 'openvino', which is not installed; "
            "pip install 'whyrec[fast]', or set it to 'auto' or 'torch'"
        )
    steps = list(_LADDER)
    notes: list[str] = []
    for step in steps[steps.index("exact" if precision == "static" else precision) :]:
        missing: list[str] = []
        for tier in _LADDER[step]:
            obstacle = _find_obstacle(tier, backend)
            if obstacle is not None:
                missing.append(f"{tier}: {obstacle}")
            elif tier == REFERENCE:
                return Choice(REFERENCE, notes=tuple(notes))
            else:
                quality, fault = _try_measure(measure, tier)
                if quality is not None and quality.keeps(PROMISES[step]):
                    return Choice(tier, quality, tuple(notes))
                notes.append(f"{tier}: {fault or f'{quality}, promised is {PROMISES[step]}'}")
        notes += missing
    return Choice(REFERENCE, notes=tuple(notes))


def recall_quality(
    root: Path, parts: Mapping[str, object], measure: Callable[[], Quality]
) -> Quality:
    """What was measured here before for the same `parts` on the same kind of processor, else now."""

    def write(folder: Path) -> None:
        (folder / _VERDICT).write_text(json.dumps(asdict(measure())), encoding="utf-8")

    key = make_key({**parts, "texts": hash_texts(), "processor": describe_processor()})
    folder = provide_folder(root, key, write)
    return Quality(**json.loads((folder / _VERDICT).read_text(encoding="utf-8")))


def _try_measure(
    measure: Callable[[Tier], Quality], tier: Tier
) -> tuple[Quality | None, str | None]:
    """Quality of `tier`, or what went wrong: a library may not know an architecture."""
    try:
        return measure(tier), None
    except WhyrecError:
        raise
    except Exception as error:
        return None, f"{type(error).__name__}: {error}".splitlines()[0][:200]


def _find_obstacle(tier: Tier, backend: BackendName) -> str | None:
    """Why `tier` cannot be used here; None when it can."""
    if backend not in ("auto", tier.library):
        return f"text.backend is {backend!r}"
    if not is_installed(tier.library):
        return f"{tier.library} is not installed"
    if not has_fast(tier.numbers):
        return f"this processor has no instructions for {tier.numbers}"
    return None


@cache
def is_installed(library: str) -> bool:
    """Whether a library can be imported; does not import it."""
    try:
        metadata.version(library)
    except metadata.PackageNotFoundError:
        return False
    return True
