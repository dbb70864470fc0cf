"""Who is told of a night: what happened, told once per night and event, and never in the night's way."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

from flows.engine import describe_failure
from flows.recommend_stages import find_refit_day
from flows.state import Night
from tasks.platform.errors import AlertError, GateError
from tasks.platform.locks import hold_lock
from tasks.platform.notify import Channel, Message, Pause, deliver, list_channels
from tasks.platform.numbers import tell_signed
from tasks.platform.runs import read_json, write_json
from tasks.platform.settings import AlertEvent, AlertSettings
from tasks.platform.sql import read_sql
from tasks.platform.warehouse import fetch_dicts

FOLDER: Final = "alerts"
LOCK_S: Final = 120.0


@dataclass(frozen=True)
class Happening:
    """One thing to tell: which event, what it is about (told once), and the sentence."""

    event: AlertEvent
    subject: str
    sentence: str


def send_alerts(night: Night, document: Mapping[str, Any], **options: Any) -> list[dict[str, Any]]:
    """Tell what is to be told of this night; what was sent, by event and channel, for run.json.

    Never raises: what could not be sent is in the answer.
    """
    settings = night.settings.alerts
    if night.flow != "nightly" and not settings.is_for_backfills:
        return []
    channels = list_channels(settings, night.settings.root)
    if not channels or not settings.events:
        return []
    try:
        happenings = [h for h in find_happenings(night, document) if h.event in settings.events]
        place = Path(night.site.reports_root) / FOLDER / f"{night.as_of}.json"
        with hold_lock(place.with_name(".lock"), timeout_s=LOCK_S):
            return _tell_all(channels, happenings, night, document, place, **options)
    except Exception as error:
        return [{"event": None, "channel": None, "status": "failed", "why": type(error).__name__}]


def find_happenings(night: Night, document: Mapping[str, Any]) -> list[Happening]:
    """Everything of this night that is worth an alert, whether it was told before or not."""
    found = []
    for error in night.errors:
        sentence = describe_failure(error)
        event: AlertEvent = "gate" if isinstance(error, GateError) else "failed"
        subject = sentence if event == "gate" else type(error).__name__
        found.append(Happening(event, subject, sentence))
    held = [str(one.error) for one in night.setbacks if isinstance(one.error, GateError)]
    found += [Happening("gate", sentence, sentence) for sentence in held]
    if document["report"] is None:
        return found
    return [*found, *find_turned(night), *find_easier(night)]


def find_turned(night: Night) -> list[Happening]:
    """Conclusions that became credible, ceased to be, or changed sides since the night before."""
    with night.site.warehouse.connect() as connection:
        rows = fetch_dicts(connection, read_sql("marts/verdicts_turned"), {"as_of": night.as_of})
    return [
        Happening(
            "verdict",
            f"{row['source']}/{row['attribute']}/{row['window_name']}/{row['estimator']}: {row['verdict']}",
            f"{row['attribute']} ({row['source']}, window {row['window_name']}, {row['estimator']}): "
            f"{_show(row['earlier_estimate'])} {row['earlier_verdict']} on {row['earlier_as_of']}, "
            f"now {_show(row['estimate'])} {row['verdict']}",
        )
        for row in rows
    ]


def find_easier(night: Night) -> list[Happening]:
    """Attacks that turn a verdict which they did not turn before, or with markedly fewer reviews."""
    scope = {
        "as_of": night.as_of, "until": find_refit_day(night.as_of),
        "smallest_drop": night.settings.alerts.smallest_drop,
    }  # fmt: skip
    with night.site.warehouse.connect() as connection:
        rows = fetch_dicts(connection, read_sql("marts/attacks_easier"), scope)
    return [
        Happening(
            "robustness",
            f"{row['source']}/{row['subject']}/{row['attack']}: {scope['until']}",
            _describe_easier(row),
        )
        for row in rows
    ]


def _describe_easier(row: Mapping[str, Any]) -> str:
    head = f"{row['subject']} ({row['source']}) under {row['attack']}: "
    if row["is_verdict_flipped"] and not row["was_verdict_flipped"]:
        return (
            f"{head}{row['share']:.2%} fake reviews now turn {row['clean_verdict']} into "
            f"{row['attacked_verdict']}; on {row['earlier_as_of']} they did not"
        )
    before = (
        f"{row['earlier_smallest_share']:.2%}"
        if row["earlier_smallest_share"] is not None
        else f"more than {row['earlier_looked_to']:.2%}"
    )
    return (
        f"{head}{row['smallest_share']:.2%} fake reviews turn its verdict; "
        f"on {row['earlier_as_of']} it took {before}"
    )


def _show(estimate: float | None) -> str:
    return "no result" if estimate is None else tell_signed(estimate)


TITLES: Final[dict[str, str]] = {
    "gate": "the quality gate stopped a drop",
    "failed": "the run failed",
    "verdict": "a conclusion turned",
    "robustness": "a conclusion is easier to attack",
}


def _tell_all(
    channels: Sequence[Channel],
    happenings: Sequence[Happening],
    night: Night,
    document: Mapping[str, Any],
    place: Path,
    **options: Any,
) -> list[dict[str, Any]]:
    """One message per event and channel, of what that channel has not taken yet."""
    told: dict[str, dict[str, str]] = dict(read_json(place) or {})
    answers = []
    for event in TITLES:
        own = [h for h in happenings if h.event == event]
        for channel in channels if own else ():
            known = told.setdefault(channel.name, {})
            new = [h for h in own if f"{event}: {h.subject}" not in known]
            if not new:
                answers.append({"event": event, "channel": channel.name, "status": "told before"})
                continue
            message = _write_message(event, new, night, document)
            answer = _try_telling(channel, message, night.settings.alerts, **options)
            answers.append({"event": event, "channel": channel.name, **answer})
            if answer["status"] == "sent":
                now = datetime.now(UTC).isoformat(timespec="seconds")
                known |= {f"{event}: {h.subject}": now for h in new}
                write_json(place, told)
    return answers


def _write_message(
    event: str, happenings: Sequence[Happening], night: Night, document: Mapping[str, Any]
) -> Message:
    return Message(
        event=event,
        as_of=night.as_of,
        title=f"{TITLES[event]}, night {night.as_of}",
        lines=tuple(h.sentence for h in happenings),
        report=document["report"],
        run_id=night.run.run_id,
    )


def _try_telling(
    channel: Channel, message: Message, settings: AlertSettings, *, pause: Pause | None = None
) -> dict[str, str]:
    more = {} if pause is None else {"pause": pause}
    try:
        deliver(channel, message, attempts=settings.attempts, **more)
    except AlertError as error:
        return {"status": "failed", "why": str(error)}
    return {"status": "sent"}


def try_channels(settings: AlertSettings, root: Path, today: date) -> list[dict[str, str]]:
    """Send a word to every channel, to see whether it arrives."""
    message = Message("test", today, "a test of whyrec's alerts; nothing happened")
    return [
        {"channel": channel.name, **_try_telling(channel, message, settings)}
        for channel in list_channels(settings, root)
    ]
