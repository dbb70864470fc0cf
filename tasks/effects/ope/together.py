"""Rows of a log that belong together, as those of a user or of a list, where they count one by one."""

import re
from typing import Final

from tasks.effects.basis import FloatArray
from tasks.effects.controls.dealt import code_groups, measure_widening
from tasks.effects.credibility import Finding
from tasks.effects.ope.log import Log

_DRAWN: Final = frozenset(
    "user usr uid visitor customer cust client member account acct person household subscriber consumer "
    "buyer shopper guest viewer reader listener player patient profile device cookie ip session sid "
    "visit impression slate list request query round".split()
)
"""Words in the name of a column by whose values a log is drawn: rows of one were not drawn apart.
Each may end in "id", as one word."""
_GROUPS: Final = 20


def check_together(log: Log, influence: FloatArray) -> list[Finding]:
    """Whether rows of a user, or the like, pull a value together though they count one by one.

    `influence` (n,) is what each row moves the value by. Asked where no cluster is named, of columns
    by whose name a log is drawn, and which play no other role: of any column that goes along with
    rewards, such as an age, the same would be true, and no harm.
    """
    roles = log.columns
    if roles.cluster is not None:
        return []
    taken = {roles.action, roles.reward, roles.propensity, roles.position, *roles.context}
    names = [name for name in log.frame.columns if name not in taken and _is_drawn(name)]
    found: list[tuple[float, str, int]] = []
    for name in names:
        column = log.frame[name]
        if column.dtype.is_nested() or not _GROUPS <= column.n_unique() < log.n:
            continue
        factor = measure_widening(code_groups(column), influence, tries=len(names))
        if factor is not None:
            found.append((factor, name, column.drop_nulls().n_unique()))
    if not found:
        return []
    factor, name, count = max(found)
    return [
        (
            "weak",
            f"rows of the same {name} ({count:,} of them) go together: intervals that count rows one by "
            f"one are about {factor:.1f} times too narrow; name it by --cluster {name}",
        )
    ]


def _is_drawn(name: str) -> bool:
    words = re.split(r"[^a-z]+", re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower())
    return not _DRAWN.isdisjoint({*words, *(word.removesuffix("id") for word in words)})
