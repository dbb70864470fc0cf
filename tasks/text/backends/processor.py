"""What this machine's processor can do, and how much of it is ours."""

import os
import platform
from functools import cache
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")
_BF16 = frozenset({"avx512_bf16", "amx_bf16", "avx_ne_convert", "bf16"})
_INT8 = frozenset({"avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm"})


@cache
def read_flags() -> frozenset[str]:
    """Instruction sets as Linux names them; empty where it is not asked."""
    try:
        lines = _CPUINFO.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return frozenset()
    named = (line.split(":", 1)[1] for line in lines if line.startswith(("flags", "Features")))
    return frozenset(next(named, "").split())


def has_fast(numbers: str) -> bool:
    """Whether the processor multiplies "fp32", "bf16" or "int8" with instructions made for it."""
    wanted = {"bf16": _BF16, "int8": _INT8}.get(numbers)
    return wanted is None or bool(wanted & read_flags())


def describe_processor() -> str:
    """Architecture and what `has_fast` looks at: what may change a vector's last digits."""
    return " ".join([platform.machine(), *sorted(read_flags() & (_BF16 | _INT8))])


def count_threads() -> int:
    """Threads to compute with: OMP_NUM_THREADS, else the processors this process may use."""
    asked = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    if asked.isdigit() and int(asked) > 0:
        return int(asked)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
