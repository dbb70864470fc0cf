"""Numbers as they are shown."""

import pytest

from tasks.platform.numbers import tell_signed


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.384, "+0.38"),
        (-3.0, "-3.00"),
        (0.0, "+0.00"),
        (-0.0, "+0.00"),
        (-0.00416, "-0.0042"),
        (0.0123, "+0.012"),
        (-1794.342, "-1,794.34"),
        (1.23e-7, "+1.2e-07"),
        (-3.1e8, "-3.1e+08"),
        (float("nan"), "+nan"),
    ],
)
def test_a_small_number_is_never_shown_as_nought(value: float, shown: str) -> None:
    assert tell_signed(value) == shown
