"""Tasks of a night that need two rooms: conclusions and recommenders, attacked by the robustness room."""

from typing import Any

from flows.attacks.sources import make_recipe
from flows.attacks.target import make_target
from flows.attacks.victim import NightlyRecommender, plan_victim
from tasks.platform.refs import FileRef
from tasks.platform.settings import EffectsSettings, RecommendSettings
from tasks.platform.task import RunContext, stage_task
from tasks.robustness.mart_rows import to_effect_rows, to_recommender_rows
from tasks.robustness.profiles import Mode
from tasks.robustness.scorecard import Plan, attack_conclusion, attack_recommender, make_victim
from tasks.robustness.surrogate import RidgeFactors
from tasks.robustness.task import CorpusRef, put_rows, read_corpus


@stage_task("robustness")
def attack_effect(
    source: str,
    corpus: CorpusRef,
    attack: str,
    attribute: str,
    attribute_names: tuple[str, ...],
    settings: EffectsSettings,
    mode: Mode,
    share: float,
    looked_to: float,
    seed: int,
    run: RunContext,
) -> FileRef:
    """One attack on the conclusion on one attribute of one source, defended and not.

    Texts of fakes are taken to be read as they are meant.
    """
    lake = run.site.lake
    target = make_target(
        lake.read_frame(corpus.reviews), attributes=attribute_names,
        items=lake.read_frame(corpus.items), users=lake.read_frame(corpus.users),
        recipe=make_recipe(settings),
    )  # fmt: skip
    plan = Plan((attack,), share, looked_to, mode, seed=seed)
    result = attack_conclusion(target, attack, attribute, plan, clean=target.conclude())
    attacks, defences = to_effect_rows(result, source=source, plan=plan)
    rows: dict[Any, Any] = {"attacks": attacks, "defences": defences}
    return put_rows(run, rows)


@stage_task("robustness")
def attack_ratings(
    source: str,
    corpus: CorpusRef,
    attack: str,
    mode: Mode,
    share: float,
    victim: RecommendSettings | None,
    seed: int,
    run: RunContext,
) -> FileRef:
    """One attack on a recommender trained on one source's ratings, defended and not.

    The recommender is a ridge factorisation, or the one of `victim`.
    """
    plan = Plan((attack,), share, mode=mode, seed=seed)
    reviews = read_corpus(corpus.reviews, run)
    recommender: RidgeFactors | NightlyRecommender = RidgeFactors()
    if victim is not None:
        lake = run.site.lake
        items, users = lake.read_frame(corpus.items), lake.read_frame(corpus.users)
        recommender = plan_victim(reviews, victim.model, items=items, users=users, seed=victim.seed)
    result = attack_recommender(make_victim(recommender, reviews, plan), attack)
    name = "surrogate" if victim is None else victim.model
    attacks, defences = to_recommender_rows(result, source=source, plan=plan, victim=name)
    return put_rows(run, {"attacks": attacks, "defences": defences})
