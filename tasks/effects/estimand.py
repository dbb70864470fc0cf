"""Which average of a two-valued treatment's effect is asked for."""

from typing import Final, Literal

from tasks.platform.errors import ConfigError

Estimand = Literal["ate", "att", "atc"]
ESTIMANDS: Final[tuple[Estimand, ...]] = ("ate", "att", "atc")
NAMES: Final[dict[Estimand, str]] = {
    "ate": "the average effect over all rows (ate)",
    "att": "the effect on the treated (att)",
    "atc": "the effect on the untreated (atc)",
}


def check_estimand(estimand: str) -> Estimand:
    """`estimand` if there is such a one; raises ConfigError."""
    for known in ESTIMANDS:
        if estimand == known:
            return known
    raise ConfigError(f"estimand is {estimand!r}; allowed are {', '.join(ESTIMANDS)}")
