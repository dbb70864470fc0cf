"""Commands that attack: conclusions and recommenders, and what is said of it."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

import polars as pl

from flows.attacks.ratings import choose_victim
from flows.attacks.sources import Loaded
from flows.attacks.victim import SURROGATE
from tasks.platform.errors import ConfigError
from tasks.robustness.clicks import CLICK_ATTACKS, attack_clicks
from tasks.robustness.defend import Defended, Detection
from tasks.robustness.detect import suspect
from tasks.robustness.effects import Conclusion, Smallest
from tasks.robustness.scorecard import (
    EffectResult,
    Plan,
    RecommenderResult,
    attack_conclusion,
    attack_recommender,
    list_suspects,
    make_rng,
    make_victim,
)

MIN_EXPOSURES: Final = 100
NAMES: Final = {SURROGATE: "ridge matrix factorisation"}
_NO_ITEMS: Final = (
    "nothing is known of what kind of item it is; columns price_usd, brand and category would be held "
    "fixed, others with 'whyrec drivers --controls'"
)
_UNADJUSTED: Final = (
    "clean effects are unadjusted, and so weak at most: who wrote about what, such as buyers of cheap "
    "items, is taken for an effect; --date, and columns price_usd, brand and category, would be held "
    "fixed, others with 'whyrec drivers --controls'"
)


def attack_effects(loaded: Loaded, plan: Plan, attributes: Sequence[str] = ()) -> dict[str, Any]:
    """Every attack of `plan` on the conclusion on every attribute.

    Keys: source, n (reviews that effects rest on, of which `share` is a share), rows (what became of
    all), says_from, held_fixed, caveats, share, looked_to, seed, clean, attacks, counts, and
    flagged_clean: what the detector flags where nothing was planted.
    """
    target = loaded.target
    names = choose_names(target.corpus.attributes, attributes)
    clean = target.conclude()
    held = target.list_held()
    results = [
        attack_conclusion(target, attack, name, plan, clean=clean, reader=loaded.reader)
        for name in names
        for attack in plan.attacks
    ]
    return {
        "source": loaded.source,
        "n": target.corpus.n_read,
        "rows": show_rows(loaded, used=target.corpus.n_read),
        "says_from": loaded.origin,
        "held_fixed": held,
        "caveats": list_caveats(held),
        "share": plan.share,
        "looked_to": plan.looked_to,
        "seed": plan.seed,
        "clean": [
            {
                "attribute": name,
                **show_conclusion(clean[name]),
                "standing": weigh(clean[name], held),
            }
            for name in names
        ],
        "attacks": [show_effect(result) for result in results],
        "counts": count_outcomes([result.outcome for result in results]),
        "flagged_clean": count_flagged(loaded, plan.fence),
    }


def attack_behaviour(loaded: Loaded, plan: Plan, victim_name: str = SURROGATE) -> dict[str, Any]:
    """Every attack of `plan` on a recommender and on click rates; what detection would flag as it is.

    The recommender is the one that `victim_name` names, see `flows.attacks.victim.VICTIMS`.

    Keys: source, n, rows, share, mode, seed, victim, attacks, clicks, counts, suspects.
    """
    corpus = loaded.target.corpus
    recommender = choose_victim(victim_name, loaded, seed=plan.seed)
    victim = make_victim(recommender, corpus, plan)
    results = [attack_recommender(victim, name) for name in plan.attacks]
    return {
        "source": loaded.source,
        "n": corpus.n,
        "rows": show_rows(loaded, used=corpus.n),
        "share": plan.share,
        "mode": plan.mode,
        "seed": plan.seed,
        "victim": NAMES.get(victim_name, f"{victim_name}, as a night trains it"),
        "attacks": [show_recommender(result) for result in results],
        "clicks": attack_exposures(loaded.exposures, plan),
        "counts": count_outcomes([result.outcome for result in results]),
        **find_suspects(loaded, plan.fence),
    }


def show_rows(loaded: Loaded, *, used: int) -> dict[str, Any] | None:
    """What became of the rows that were read, as JSON; unread ones count where they are not used."""
    if loaded.account is None:
        return None
    rows = {"used": used, **asdict(loaded.account)}
    is_all = used == loaded.target.corpus.n
    return rows | {"not_read": 0, "reasons": {}} if is_all else rows


def list_caveats(held: Sequence[str]) -> list[str]:
    """What a reader of the clean effects should know of what is not held fixed."""
    if not held:
        return [_UNADJUSTED]
    if not {"price_usd", "brand", "category"} & set(held):
        return [_NO_ITEMS]
    return []


def weigh(clean: Conclusion, held: Sequence[str]) -> str:
    """The verdict on a clean effect, at most weak where nothing is held fixed."""
    return "weak" if clean.verdict == "credible" and not held else clean.verdict


def attack_exposures(log: pl.DataFrame | None, plan: Plan) -> list[dict[str, Any]]:
    """Click farms and impression fraud, where there are exposures enough."""
    if log is None or log.height < MIN_EXPOSURES:
        return []
    rows = max(round(plan.share * log.height), 1)
    found = [
        attack_clicks(attack, log, rows, make_rng(plan.seed, name), fence=plan.fence)
        for name, attack in CLICK_ATTACKS.items()
    ]
    return [asdict(one) for one in found]


def find_suspects(loaded: Loaded, fence: float) -> dict[str, Any]:
    """Accounts of the data as it is that look fake, for a person to judge."""
    suspicion = suspect(loaded.target.corpus, fence=fence)
    return {
        "suspects": list_suspects(suspicion),
        "flagged": int(suspicion.flags.sum()),
        "accounts": len(suspicion.score),
        "signals_left_out": list(suspicion.signals.left_out),
    }


def count_flagged(loaded: Loaded, fence: float) -> dict[str, int]:
    """How many accounts are flagged as things are."""
    flags = suspect(loaded.target.corpus, fence=fence).flags
    return {"accounts": len(flags), "flagged": int(flags.sum())}


def choose_names(known: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """The attributes to attack; all when none is named."""
    if not known:
        raise ConfigError("no attributes are named; name some with --attributes, as in price,food")
    unknown = sorted(set(wanted) - set(known))
    if unknown:
        raise ConfigError(f"nothing was read of {', '.join(unknown)}; there are {', '.join(known)}")
    return list(wanted or known)


def count_outcomes(outcomes: Sequence[str]) -> dict[str, int]:
    """Attempted = succeeded + failed; skipped come on top."""
    counts = {name: outcomes.count(name) for name in ("succeeded", "failed", "skipped")}
    return {"attempted": counts["succeeded"] + counts["failed"], **counts}


def show_conclusion(found: Conclusion) -> dict[str, Any]:
    """A conclusion, as JSON."""
    return {**asdict(found), "side": found.side}


def show_effect(result: EffectResult) -> dict[str, Any]:
    """One attack on one conclusion, as JSON."""
    head = {"attack": result.attack, "attribute": result.attribute, "outcome": result.outcome}
    if result.damage is None or result.smallest is None or result.detection is None:
        return {**head, "reason": result.reason}
    damage = result.damage
    return {
        **head,
        "tale": result.tale,
        "rows": damage.rows,
        "read_as_meant": result.read_as_meant,
        "not_read": result.not_read,
        "attacked": show_conclusion(damage.attacked),
        "shift": damage.shift,
        "is_sign_flipped": damage.is_sign_flipped,
        "is_verdict_flipped": damage.is_flipped,
        "is_reversed": damage.is_reversed,
        "smallest": show_smallest(result.smallest),
        "detection": show_detection(result.detection),
        "defences": [show_defended(one) for one in result.defended],
    }


def show_smallest(found: Smallest) -> dict[str, Any]:
    """The smallest attack that flips, as JSON."""
    names = ("share", "rows", "not_below", "looked_to", "tried", "sentence")
    side = None if found.attacked is None else found.attacked.side
    return {name: getattr(found, name) for name in names} | {"side": side}


def show_detection(found: Detection) -> dict[str, Any]:
    """Detection, as JSON."""
    extra = {"false_alarm_rate": found.false_alarm_rate, "false_alarms": found.false_alarms}
    return asdict(found) | extra


def show_defended(found: Defended) -> dict[str, Any]:
    """A defended conclusion, as JSON."""
    return {
        "defence": found.defence,
        "estimate": found.defended.estimate,
        "side": found.defended.side,
        "shift": found.shift,
        "is_back": found.is_back,
    }


def show_recommender(result: RecommenderResult) -> dict[str, Any]:
    """One attack on the recommender, as JSON."""
    head = {
        "attack": result.attack, "items": list(result.items), "rows": result.rows,
        "outcome": result.outcome,
    }  # fmt: skip
    if result.damage is None or result.defended is None or result.detection is None:
        return {**head, "reason": result.reason}
    return {
        **head,
        **{
            name: asdict(one) | {
                "prediction_shift": one.prediction_shift, "hit_rate_lift": one.hit_rate_lift
            }
            for name, one in (("attacked", result.damage), ("defended", result.defended))
        },
        "detection": show_detection(result.detection),
    }  # fmt: skip
