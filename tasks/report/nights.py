"""One line of the index of nights: what a night comes to, in a few figures."""

from datetime import date
from typing import Final

from tasks.report.fields import Count, Name, Row, Sentence

VERDICT_LABELS: Final = {
    "good": "All clear",
    "care": "Needs a look",
    "held": "Gate stopped",
    "failed": "Failed",
    "empty": "No data",
}
VERDICT_SIGNS: Final = {"good": "✓", "care": "!", "held": "■", "failed": "✕", "empty": "–"}
VERDICT_CLASSES: Final = {
    "good": "good", "care": "care", "held": "bad", "failed": "bad", "empty": "muted"
}  # fmt: skip
DATA_WORDS: Final = {
    "good": "fit",
    "care": "fit, with care",
    "held": "in part",
    "failed": "not fit",
    "empty": "none",
}
"""Was the night's data fit to conclude anything?"""


class IndexNight(Row):
    """One line of the index of nights; None where nothing was read, checked or compared.

    `href` is a path below the index; anything else is not linked. `n_real` counts changes that are
    likely real or revised, `n_flipped` changed verdicts.
    """

    as_of: date
    href: str = ""
    verdict: Name
    headline: Sentence = ""
    topline: Sentence = ""
    is_gate_passed: bool | None = None
    rows_published: Count | None = None
    rows_quarantined: Count | None = None
    n_credible: Count = 0
    n_weak: Count | None = None
    n_not_credible: Count | None = None
    n_no_result: Count | None = None
    n_effects: Count = 0
    n_flipped: Count | None = None
    n_real: Count | None = None

    @property
    def n_judged(self) -> int:
        """Headline effects that have a result."""
        return self.n_effects - (self.n_no_result or 0)
