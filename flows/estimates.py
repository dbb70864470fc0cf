"""The estimate flow: one causal question of a table, asked by a form."""

from typing import Annotated, Any, Literal

from prefect import flow
from pydantic import Field

from flows.artifacts import show_answer
from flows.conduct import conduct
from flows.nightly import Config
from flows.questions import estimate_source
from tasks.platform.settings import Settings

Estimand = Literal["ate", "att", "atc"]
Estimator = Literal["plr", "irm", "balance", "forest", "ipw", "diff", "lin", "cuped"]
Column = Annotated[str, Field(min_length=1)]


@flow(
    name="estimate",
    flow_run_name="estimate {treatment} on {outcome}",
    persist_result=False,
)
def estimate(
    table: Annotated[
        str,
        Field(
            title="Table",
            description="CSV, TSV, Parquet or Stata file as the worker sees it, or a table as clean.exposures",
            min_length=1,
        ),
    ],
    outcome: Annotated[
        str, Field(title="Outcome", description="Column of the outcome: a number", min_length=1)
    ],
    treatment: Annotated[
        str,
        Field(
            title="Treatment", description="Column of the treatment: 0/1 or a number", min_length=1
        ),
    ],
    controls: Annotated[
        list[Column],
        Field(title="Controls", description="Columns that precede the treatment"),
    ] = [],  # noqa: B006 - Prefect shows it in the form; nobody changes it
    text_controls: Annotated[
        list[Column],
        Field(title="Text controls", description="Columns of text that precede the treatment"),
    ] = [],  # noqa: B006
    segments: Annotated[
        list[Column], Field(title="Segments", description="Columns to show the effect by")
    ] = [],  # noqa: B006
    cluster: Annotated[
        str | None,
        Field(title="Cluster", description="Column whose rows are not independent, as a user's"),
    ] = None,
    estimand: Annotated[
        Estimand,
        Field(
            title="Estimand",
            description="ate: over all rows; att: over the treated; atc: over the untreated",
        ),
    ] = "ate",
    estimators: Annotated[
        list[Estimator],
        Field(title="Estimators", description="None: those that suit the question"),
    ] = [],  # noqa: B006
    is_experiment: Annotated[
        bool, Field(title="Experiment", description="The treatment was randomised")
    ] = False,
    expected_share: Annotated[
        float | None,
        Field(
            title="Expected share",
            description="Share that was meant to be treated, for an experiment",
            gt=0,
            lt=1,
        ),
    ] = None,
    penalty: Annotated[
        float, Field(title="Penalty", description="Ridge penalty of plr", ge=0, le=1e9)
    ] = 1.0,
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
