"""Telling people: a webhook, e-mail, or any service that Apprise knows.

Addresses and passwords are secrets. They never enter a message, an error or a log line: errors name the
channel and what went wrong by its kind, and the loggers of the libraries are silent while they work.
"""

import logging
import smtplib
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr

from tasks.platform.errors import AlertError
from tasks.platform.settings import AlertEvent, AlertSettings

MAX_LINES: Final = 20
MAX_LINE: Final = 500
_LOUD: Final = ("httpx", "httpcore", "apprise", "requests", "urllib3")
_WORTH_RETRYING: Final = (408, 425, 429)

Pause = Callable[[float], None]


@dataclass(frozen=True)
class Message:
    """What is told of one night: an event, a sentence, details, and where to read on."""

    event: AlertEvent | str
    as_of: date
    title: str
    lines: tuple[str, ...] = ()
    report: str | None = None
    run_id: str = ""

    @property
    def body(self) -> str:
        """Title, details and the report's place as plain text; long ones are cut, and say so."""
        shown = [
            line if len(line) <= MAX_LINE else f"{line[:MAX_LINE]} ..."
            for line in self.lines[:MAX_LINES]
        ]
        if (left := len(self.lines) - MAX_LINES) > 0:
            shown.append(f"and {left} more")
        parts = [self.title, *(f"- {line}" for line in shown)]
        return "\n".join([*parts, *([f"Report: {self.report}"] if self.report else [])])


@dataclass(frozen=True)
class Channel:
    """One way to tell people; `send` raises AlertError when it does not get through."""

    name: str
    send: Callable[[Message], None]


def list_channels(settings: AlertSettings, root: Path) -> list[Channel]:
    """Every channel of the settings; relative paths of these start at `root`."""
    channels = []
    if settings.webhook_url is not None:
        channels.append(Channel("webhook", lambda message: post_webhook(message, settings, root)))
    if settings.email_to:
        channels.append(Channel("e-mail", lambda message: send_mail(message, settings, root)))
    for number, address in enumerate(settings.services, start=1):
        channels.append(Channel(f"service {number}", _call_service(address)))
    return channels


def deliver(
    channel: Channel, message: Message, *, attempts: int, pause: Pause = time.sleep
) -> None:
    """Send, again and again while another try may help; raises AlertError after `attempts`."""
    for number in range(1, attempts + 1):
        try:
            with silence_libraries():
                channel.send(message)
            return
        except AlertError as error:
            if number == attempts or not error.is_worth_retrying:
                raise
            pause(0.5 * 2**number)


def post_webhook(message: Message, settings: AlertSettings, root: Path) -> None:
    """Post JSON: `text` for people (as Slack and its like show it) and the parts for programs."""
    import httpx

    if settings.webhook_url is None:
        raise AlertError("webhook: no address is set; set alerts.webhook_url")
    headers = {}
    if settings.webhook_token is not None:
        headers["Authorization"] = f"Bearer {settings.webhook_token.get_secret_value()}"
    document = {
        "text": escape_markup(message.body), "product": "whyrec", "event": message.event,
        "as_of": message.as_of.isoformat(), "title": message.title,
        "details": list(message.lines[:MAX_LINES]), "report": message.report,
        "run_id": message.run_id,
    }  # fmt: skip
    try:
        answer = httpx.post(
            settings.webhook_url.get_secret_value(), json=document, headers=headers,
            timeout=settings.timeout_s, verify=_trust(settings, root),
        )  # fmt: skip
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise AlertError(f"webhook: {type(error).__name__}") from None
    if answer.status_code >= 300:
        code = answer.status_code
        raise AlertError(
            f"webhook: answered {code}",
            is_worth_retrying=code >= 500 or code in _WORTH_RETRYING,
        )


def escape_markup(text: str) -> str:
    """What would be a mention or a link in a chat, as plain characters."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def send_mail(message: Message, settings: AlertSettings, root: Path) -> None:
    """One plain-text mail to all of `email_to`; raises AlertError where only some of them can be had."""
    mail = EmailMessage()
    mail["Subject"] = " ".join(f"whyrec {message.as_of}: {message.title}".split())[:200]
    mail["From"], mail["To"] = settings.email_from or "", ", ".join(settings.email_to)
    mail.set_content(message.body)
    try:
        with _open_smtp(settings, root) as server:
            if settings.smtp_user and settings.smtp_password is not None:
                server.login(settings.smtp_user, settings.smtp_password.get_secret_value())
            refused = server.send_message(mail)
    except smtplib.SMTPResponseException as error:
        code = error.smtp_code
        raise AlertError(
            f"e-mail: {type(error).__name__} {code}", is_worth_retrying=400 <= code < 500
        ) from None
    except (smtplib.SMTPException, OSError) as error:
        raise AlertError(f"e-mail: {type(error).__name__}") from None
    if refused:  # the others have it: another try would send it to them again
        raise AlertError(
            f"e-mail: {len(refused)} of {len(settings.email_to)} addresses were refused, the others have it",
            is_worth_retrying=False,
        )


@contextmanager
def _open_smtp(settings: AlertSettings, root: Path) -> Iterator[smtplib.SMTP]:
    place = (settings.smtp_host or "", settings.smtp_port)
    if settings.smtp_security == "tls":
        with smtplib.SMTP_SSL(
            *place, timeout=settings.timeout_s, context=_trust(settings, root)
        ) as server:
            yield server
        return
    with smtplib.SMTP(*place, timeout=settings.timeout_s) as server:
        if settings.smtp_security == "starttls":
            server.starttls(context=_trust(settings, root))
        yield server


def _trust(settings: AlertSettings, root: Path) -> ssl.SSLContext:
    if settings.ca_file is None:
        return ssl.create_default_context()
    return ssl.create_default_context(cafile=str(root / Path(settings.ca_file).expanduser()))


def _call_service(address: SecretStr) -> Callable[[Message], None]:
    def send(message: Message) -> None:
        import apprise

        caller: Any = apprise.Apprise()
        if not caller.add(address.get_secret_value()):
            raise AlertError(
                "service: Apprise does not know that kind of address; see its list of services",
                is_worth_retrying=False,
            )
        title, _, rest = message.body.partition("\n")
        if not caller.notify(title=title, body=rest or title):
            raise AlertError("service: the message was not taken")

    return send


@contextmanager
def silence_libraries() -> Iterator[None]:
    """Keep libraries from logging addresses, which may be secrets."""
    loggers = [logging.getLogger(name) for name in _LOUD]
    before = [logger.disabled for logger in loggers]
    children = [
        logger
        for name, logger in logging.root.manager.loggerDict.items()
        if isinstance(logger, logging.Logger) and name.split(".")[0] in _LOUD
    ]
    held = [logger.disabled for logger in children]
    try:
        for logger in (*loggers, *children):
            logger.disabled = True
        yield
    finally:
        for logger, was in zip((*loggers, *children), (*before, *held), strict=True):
            logger.disabled = was
