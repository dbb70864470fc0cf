"""Threads are held in a process that loads its numerical libraries late."""

import os
import subprocess
import sys

import pytest

SCRIPT = """
import threadpoolctl
from tasks.platform.threads import hold_threads_for
with hold_threads_for({rows}):
    import scipy.linalg
    from sklearn.ensemble import HistGradientBoostingRegressor
    pools = threadpoolctl.threadpool_info()
print(sorted({{(pool["user_api"], pool["num_threads"]) for pool in pools}}))
"""


def count_threads(rows: int) -> str:
    command = [sys.executable, "-c", SCRIPT.format(rows=rows)]
    env = os.environ | {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=env)
    return done.stdout.strip()


@pytest.mark.slow
def test_few_rows_are_learned_from_by_one_thread_whatever_is_loaded_later() -> None:
    assert count_threads(2_000) == "[('blas', 1), ('openmp', 1)]"
    assert count_threads(200_000) != "[('blas', 1), ('openmp', 1)]"
