"""The estimate flow: one causal question of a table, asked by a form."""

from typing import Annotated, Any, Literal

from prefect import flow
from pydantic import Field

from flows.artifacts import show_answer
from flows.conduct import conduct
from flows.desk.questions import estimate_source
from flows.forms import Emptied, shown
from flows.nightly import Config
from tasks.platform.settings import Settings

Estimand = Literal["ate", "att", "atc"]
Estimator = Literal["plr", "dml", "irm", "balance", "forest", "ipw", "diff", "lin", "cuped"]
Column = Annotated[str, Field(min_length=1)]


@flow(
    name="estimate",
    flow_run_name="estimate {treatment} on {outcome}",
    persist_result=False,
)
def estimate(
    table: Annotated[
        str,
        shown(
            "Table",
            "CSV, TSV, Parquet or Stata file as the worker sees it, or a table as clean.exposures",
            min_length=1,
        ),
    ],
    outcome: Annotated[str, shown("Outcome", "Column of the outcome: a number", min_length=1)],
    treatment: Annotated[
        str,
        shown("Treatment", "Column of the treatment: 0/1 or a number", min_length=1),
    ],
    controls: Annotated[
        list[Column],
        shown("Controls", "Columns that precede the treatment"),
    ] = [],  # noqa: B006 - Prefect shows it in the form; nobody changes it
    text_controls: Annotated[
        list[Column],
        shown("Text controls", "Columns of text that precede the treatment"),
    ] = [],  # noqa: B006
    segments: Annotated[list[Column], shown("Segments", "Columns to show the effect by")] = [],  # noqa: B006
    cluster: Annotated[
        Emptied,
        shown("Cluster", "Column whose rows are not independent, as a user's"),
    ] = None,
    estimand: Annotated[
        Estimand,
        shown(
            "Estimand",
            "ate: over all rows; att: over the treated; atc: over the untreated",
        ),
    ] = "ate",
    estimators: Annotated[
        list[Estimator],
        shown("Estimators", "None: those that suit the question"),
    ] = [],  # noqa: B006
    is_experiment: Annotated[bool, shown("Experiment", "The treatment was randomised")] = False,
    expected_share: Annotated[
        float | None,
        shown(
            "Expected share",
            "Share that was meant to be treated, for an experiment",
            gt=0,
            lt=1,
        ),
    ] = None,
    penalty: Annotated[float, shown("Penalty", "Ridge penalty of plr", ge=0, le=1e9)] = 1.0,
    config: Config = None,
) -> dict[str, Any]:
    """Estimate what a treatment does to an outcome, with the naive difference beside it."""

    def answer(_settings: Settings) -> dict[str, Any]:
        found = estimate_source(
            table,
            {"outcome": outcome, "treatment": treatment, "controls": controls, "cluster": cluster},
            text_controls=text_controls,
            segments=segments,
            config=config,
            estimators=tuple(estimators) or None,
            estimand=estimand,
            is_experiment=is_experiment,
            expected_share=expected_share,
            penalty=penalty,
        )
        show_answer(found)
        return found

    return conduct(config, answer)  # type: ignore[return-value]
