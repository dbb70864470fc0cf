"""What `report.json` holds: the same content as the page beside it, under keys that stay.

Keys are added, never renamed or taken away, within one number of the contract. Figures that are
missing are null, never 0. `capped` says which lists hold only their first rows, and of how many.
"""

from collections.abc import Mapping
from typing import Final

CONTRACT: Final = 1
UNSHOWN: Final = {
    "previous_effects",
    "previous_attacks",
    "previous_recommenders",
    "moved",
    "usual",
}
"""Fields of the report that only enter what it says of changes."""

KEYS: Final[Mapping[str, str]] = {
    "contract": "number of this contract",
    "as_of": "the night's date",
    "previous_as_of": "date of the night that it is compared with, null on a first night",
    "confidence": "level of every interval, between 0 and 1",
    "verdict": "good, care, held (by the gate), failed or empty",
    "data": "whether the data was fit to conclude anything: fit; fit, with care; in part; not fit; none",
    "headline": "the verdict in one line",
    "topline": "what changed since the night before, in a sentence or two",
    "todo": "at most three things to do: subject, text, anchor of the section that says more",
    "lede": "what happened, in sentences",
    "findings": "the credible effects that move the outcome most",
    "problems": "what somebody has to look at, the worst first",
    "n_more_problems": "problems beyond those listed",
    "totals": "row accounting over the drops shown",
    "n_credible": "credible effects among the headline ones (the longest window of each source)",
    "n_effects": "headline effects",
    "verdicts": "headline effects by verdict",
    "words": "changes by word: likely real, revised, within noise, cannot be said, new, gone, no result",
    "n_flipped": "effects whose verdict changed",
    "changes": "every headline effect beside its value of the night before: kind, word, cause, both "
    "estimates with interval, naive figure and n, difference, by_reviews with its own standard error "
    "and interval and q_value, by_revision, n_gained, n_lost",
    "data_changes": "tables against their last drops: rows, usual, word, is_unusual, refused, columns",
    "attack_changes": "what this night's attacks add, in sentences",
    "recommender_changes": "the recommender in use on both nights",
    "effects": "every estimate: source, window, attribute, contrast, estimator, estimate, interval, "
    "naive figure with interval, n, verdict, reasons",
    "positions": "what standing lower does to the click",
    "refutations": "every refuter tried on every effect",
    "segments": "effects by level of a segment",
    "trends": "effects over time",
    "graphs": "causal graphs, drawn and as edges",
    "recommenders": "figures, groups and example lists of each recommender",
    "attacks": "attacks, defences and accounts that look fake",
    "truth": "true effects of a simulated world",
    "attributes": "how often reviews speak of each attribute, with sentences",
    "drops": "row accounting of every drop shown",
    "imports": "row accounting of the files imported by hand that the night sees, the largest first",
    "quarantine": "examples of refused rows",
    "freshness": "newest drop of each source",
    "checks": "every quality check",
    "tasks": "every task of the run",
    "text_cost": "what reading the texts took",
    "notes": "further things to know of the night",
    "labels": "plain names of attributes",
    "units": "words for one unit of an outcome",
    "reproducibility": "run, snapshots, hashes, versions and seeds to derive it again",
    "capped": "lists that were cut: section, rows shown, rows in all",
}
