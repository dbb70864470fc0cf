"""What can be started from the UI, on a schedule or through the API: the deployments, written once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from prefect import Flow
from prefect.deployments.runner import RunnerDeployment
from prefect.schedules import Cron
from prefect.server.schemas.schedules import CronSchedule
from prefect.types.entrypoint import EntrypointType

from flows.backfill import backfill
from flows.estimates import estimate
from flows.imports import import_history
from flows.nightly import nightly
from flows.sweep import sweep
from tasks.platform.errors import ConfigError
from tasks.platform.settings import ServeSettings

NIGHTLY = "nightly"
SWEEP = "sweep"


@dataclass(frozen=True)
class Offer:
    """A deployment: a flow, what it is for, and when it runs by itself (None: only when asked).

    `most` runs of it work at a time; a further one waits.
    """

    name: str
    flow: Flow[..., Any]
    entrypoint: str
    description: str
    tags: tuple[str, ...]
    cron: str | None = None
    most: int | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)


def list_offers(serve: ServeSettings) -> tuple[Offer, ...]:
    """Every deployment, the night's schedule as the settings have it."""
    return (
        Offer(
            NIGHTLY,
            nightly,
            "flows/nightly.py:nightly",
            "Ingest, check and publish last night's drops, then derive effects and the report again.",
            ("night",),
            cron=serve.cron,
            most=1,
        ),
        Offer(
            SWEEP,
            sweep,
            "flows/sweep.py:sweep",
            "Try every attack on every target on last Sunday's reviews; the week's nights show it.",
            ("attack",),
            cron=serve.sweep_cron,
            most=1,
        ),
        Offer(
            "backfill",
            backfill,
            "flows/backfill.py:backfill",
            "Run the night over past dates; what is finished and unchanged is kept.",
            ("backfill",),
            most=1,
        ),
        Offer(
            "import",
            import_history,
            "flows/imports.py:import_history",
            "Import a file of history, every row published, refused with a reason, or a duplicate.",
            ("import",),
        ),
        Offer(
            "estimate",
            estimate,
            "flows/estimates.py:estimate",
            "Ask one causal question of a CSV, Parquet or Stata file, or of a table of the warehouse.",
            ("estimate",),
        ),
    )


def make_deployment(offer: Offer, serve: ServeSettings, config: str | None) -> RunnerDeployment:
    """The deployment as Prefect has it, its forms filled in with the settings file in use.

    Raises ConfigError when the schedule cannot be read.
    """
    try:
        schedule = Cron(offer.cron, timezone=serve.timezone) if offer.cron else None
    except ValueError as error:
        raise ConfigError(
            f"[serve] {offer.cron!r} for {offer.name} is no schedule; write five fields as '30 2 * * *' "
            "(minute, hour, day of the month, month, day of the week)"
        ) from error
    given = {"config": config} if config else {}
    return RunnerDeployment.from_flow(
        offer.flow,
        offer.name,
        description=offer.description,
        tags=["whyrec", *offer.tags],
        parameters={**offer.parameters, **given},
        schedule=schedule,
        concurrency_limit=offer.most,
        enforce_parameter_schema=True,
        entrypoint_type=EntrypointType.MODULE_PATH,
    )


async def find_next(cron: str, serve: ServeSettings, now: datetime) -> datetime | None:
    """When a schedule starts next, in its time zone."""
    schedule = CronSchedule(cron=cron, timezone=serve.timezone)
    dates = await schedule.get_dates(1, start=now)
    return dates[0].astimezone(ZoneInfo(serve.timezone)) if dates else None
