"""Tasks of a night that need two rooms: conclusions of the effects room, attacked by the robustness room."""

from typing import Any

from flows.attack_sources import make_recipe
from flows.attack_target import make_target
from tasks.platform.refs import FileRef
from tasks.platform.settings import EffectsSettings
from tasks.platform.task import RunContext, stage_task
from tasks.robustness.mart_rows import to_effect_rows
from tasks.robustness.profiles import Mode
from tasks.robustness.scorecard import Plan, attack_conclusion
from tasks.robustness.task import CorpusRef, put_rows


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
