"""People are told once of what went wrong, by every channel, and no secret is told to anyone."""

import gzip
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import ValidationError

from flows.alerts import (
    Happening,
    find_easier,
    find_happenings,
    find_turned,
    send_alerts,
    try_channels,
)
from flows.engine import Failure
from tasks.ingest.sample import WorldSpec
from tasks.ingest.sample_drops import write_drops
from tasks.platform.errors import AlertError, GateError, InputError
from tasks.platform.notify import Channel, Message, deliver, list_channels
from tasks.platform.settings import AlertSettings, load_settings
from tasks.platform.site import resolve_site
from tests.flows.conftest import CONFIG, Shop
from tests.flows.conftest import Night as FinishedNight

SECRETS = ("tok3n-of-the-hook", "pa55word-of-the-mail", "b3arer-of-the-hook", "k3y-of-a-service")
HOOK, PASSWORD, BEARER, SERVICE = SECRETS
NIGHT = date(2024, 3, 6)
SUNDAY = date(2024, 3, 3)


@dataclass
class Receiver:
    """A local web server that keeps what is posted to it; the first `refusals` posts get `code`."""

    url: str
    posts: list[tuple[str, dict[str, str], dict[str, Any]]] = field(default_factory=list)
    refusals: int = 0
    code: int = 503


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver("")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.posts.append((self.path, dict(self.headers), json.loads(body)))
            self.send_response(found.code if found.refusals > 0 else 200)
            found.refusals -= 1
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield found
    server.shutdown()
    server.server_close()


@dataclass
class MailBox:
    """A local mail server with STARTTLS and a log-in, and what it took."""

    port: int
    ca_file: Path
    mails: list[Any] = field(default_factory=list)
    logins: list[tuple[bytes, bytes]] = field(default_factory=list)

    async def handle_RCPT(
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        if address.startswith("nobody"):
            return "550 there is no such person"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        self.mails.append(envelope)
        return "250 OK"


@pytest.fixture
def mailbox(tmp_path: Path) -> Iterator[MailBox]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    box = MailBox(port, make_certificate(tmp_path))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(box.ca_file, box.ca_file.with_name("key.pem"))

    def log_in(_server: Any, _session: Any, _envelope: Any, _mechanism: Any, data: Any) -> Any:
        box.logins.append((data.login, data.password))
        return AuthResult(success=data.password.decode() == PASSWORD, handled=False)

    controller = Controller(
        box, "127.0.0.1", port, tls_context=context, require_starttls=True,
        auth_required=True, authenticator=log_in,
    )  # fmt: skip
    controller.start()
    yield box
    controller.stop()


def make_certificate(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    path = folder / "ca.pem"
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return path


def make_night(folder: Path, *errors: Exception, flow: str = "nightly", **alerts: Any) -> Any:
    """What alerts look at of a night, on a warehouse of its own."""
    (folder / "whyrec.toml").write_text('[paths]\nhome = "home"\n')
    settings = load_settings(folder / "whyrec.toml").model_copy(
        update={"alerts": AlertSettings(**alerts)}
    )
    site = resolve_site(settings)
    site.warehouse.prepare()
    return SimpleNamespace(
        as_of=NIGHT, flow=flow, settings=settings, site=site, errors=list(errors),
        setbacks=[], run=SimpleNamespace(run_id="r1"),
    )  # fmt: skip


def account(night: Any, report: str | None = None) -> dict[str, Any]:
    return {"messages": [str(error) for error in night.errors], "report": report}


STOPPED = GateError(
    "reviews of 2024-03-06 from <!channel> & shop: 3 of 4 ratings are outside 1 to 5"
)


def test_a_stopped_gate_is_posted_once_with_a_text_and_its_parts(
    tmp_path: Path, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    night = make_night(
        tmp_path, STOPPED, webhook_url=f"{receiver.url}/{HOOK}", webhook_token=BEARER
    )
    assert send_alerts(night, account(night)) == [
        {"event": "gate", "channel": "webhook", "status": "sent"}
    ]
    again = send_alerts(night, account(night))
    assert [answer["status"] for answer in again] == ["told before"]
    ((path, headers, body),) = receiver.posts
    assert path == f"/{HOOK}"
    assert headers["Authorization"] == f"Bearer {BEARER}"
    assert HOOK not in caplog.text, "libraries log addresses"
    assert (body["event"], body["as_of"], body["run_id"]) == ("gate", "2024-03-06", "r1")
    assert body["details"] == [str(STOPPED)]
    assert "&lt;!channel&gt; &amp; shop" in body["text"], "a review cannot call a channel"
    night.errors = [GateError("users of 2024-03-06 from shop: something else")]
    assert [a["status"] for a in send_alerts(night, account(night))] == ["sent"]


def test_backfilled_nights_are_told_of_only_when_asked(tmp_path: Path, receiver: Receiver) -> None:
    night = make_night(tmp_path, STOPPED, flow="backfill", webhook_url=receiver.url)
    assert send_alerts(night, account(night)) == []
    asked = make_night(
        tmp_path, STOPPED, flow="backfill", webhook_url=receiver.url, is_for_backfills=True
    )
    assert len(send_alerts(asked, account(asked))) == 1
    assert len(receiver.posts) == 1


def test_only_the_events_that_were_chosen_are_told(tmp_path: Path, receiver: Receiver) -> None:
    night = make_night(
        tmp_path, STOPPED, InputError("gone"), webhook_url=receiver.url, events=["failed"]
    )
    assert {answer["event"] for answer in send_alerts(night, account(night))} == {"failed"}


def test_a_receiver_that_is_busy_is_tried_again_and_one_that_refuses_is_not(
    tmp_path: Path, receiver: Receiver
) -> None:
    night = make_night(tmp_path, STOPPED, webhook_url=f"{receiver.url}/{HOOK}")
    pauses: list[float] = []
    receiver.refusals = 2
    (answer,) = send_alerts(night, account(night), pause=pauses.append)
    assert (answer["status"], len(receiver.posts), len(pauses)) == ("sent", 3, 2)
    night.errors, receiver.refusals, receiver.code = [GateError("other")], 9, 404
    (answer,) = send_alerts(night, account(night), pause=pauses.append)
    assert answer == {
        "event": "gate", "channel": "webhook", "status": "failed", "why": "webhook: answered 404",
    }  # fmt: skip
    assert len(receiver.posts) == 4
    receiver.refusals = 0
    assert send_alerts(night, account(night))[0]["status"] == "sent", "it was not told before"


def test_mail_goes_out_encrypted_and_logged_in(tmp_path: Path, mailbox: MailBox) -> None:
    night = make_night(tmp_path, STOPPED, **mail_of(mailbox))
    (answer,) = send_alerts(night, account(night))
    assert answer == {"event": "gate", "channel": "e-mail", "status": "sent"}
    assert mailbox.logins == [(b"whyrec", PASSWORD.encode())]
    (mail,) = mailbox.mails
    assert mail.rcpt_tos == ["a@example.org", "b@example.org"]
    assert b"Subject: whyrec 2024-03-06: the quality gate stopped a drop" in mail.content


def mail_of(box: MailBox, **changes: Any) -> dict[str, Any]:
    return {
        "email_to": ["a@example.org", "b@example.org"], "email_from": "w@example.org",
        "smtp_host": "127.0.0.1", "smtp_port": box.port, "smtp_user": "whyrec",
        "smtp_password": PASSWORD, "ca_file": str(box.ca_file), **changes,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"smtp_password": "wrong"}, "SMTPAuthenticationError 535"),
        ({"smtp_user": None, "smtp_password": None}, "530"),
        ({"ca_file": None}, "SSLCertVerificationError"),
        ({"smtp_port": 1}, "ConnectionRefusedError"),
    ],
)
def test_mail_that_does_not_get_through_is_told_in_the_account(
    tmp_path: Path, mailbox: MailBox, changes: dict[str, Any], why: str
) -> None:
    night = make_night(tmp_path, STOPPED, **mail_of(mailbox, **changes))
    (answer,) = send_alerts(night, account(night), pause=lambda _: None)
    assert answer["status"] == "failed"
    assert why in answer["why"]
    assert mailbox.mails == []


def test_a_mail_that_one_of_two_people_got_is_not_called_sent(
    tmp_path: Path, mailbox: MailBox
) -> None:
    some = mail_of(mailbox, email_to=["a@example.org", "nobody@example.org"])
    night = make_night(tmp_path, STOPPED, **some)
    (answer,) = send_alerts(night, account(night), pause=lambda _: None)
    assert answer["status"] == "failed"
    assert "1 of 2 addresses were refused" in answer["why"]
    assert [mail.rcpt_tos for mail in mailbox.mails] == [["a@example.org"]], "once"


def test_a_password_is_never_sent_in_the_clear() -> None:
    with pytest.raises(ValidationError, match="in the clear"):
        AlertSettings(smtp_security="none", smtp_password="x")
    with pytest.raises(ValidationError, match="needs smtp_host"):
        AlertSettings(email_to=["a@example.org"])


def test_any_service_that_apprise_knows_will_do(tmp_path: Path, receiver: Receiver) -> None:
    place = receiver.url.removeprefix("http://")
    services = [f"json://user:{SERVICE}@{place}/", "nonsense"]
    answers = try_channels(AlertSettings(services=services, attempts=1), tmp_path, NIGHT)
    assert [answer["status"] for answer in answers] == ["sent", "failed"]
    assert "list of services" in answers[1]["why"]
    assert "a test of whyrec" in json.dumps(receiver.posts[0][2])


def write_rows(night: Any, table: str, rows: list[dict[str, Any]]) -> None:
    def write(connection: Any) -> None:
        for row in rows:
            columns = ", ".join(f"${name} AS {name}" for name in row)
            connection.execute(f"INSERT INTO {table} BY NAME SELECT {columns}", row)

    night.site.warehouse.commit(write, message="toy")


def effect(
    day: int, attribute: str, verdict: str, estimate: float | None, **more: Any
) -> dict[str, Any]:
    return {
        "as_of": date(2024, 3, day), "source": "s", "window_name": "all", "outcome": "rating",
        "contrast": "negative_to_positive", "estimator": "plr", "attribute": attribute,
        "verdict": verdict, "estimate": estimate, **more,
    }  # fmt: skip


def test_conclusions_that_turned_are_told_and_no_others(tmp_path: Path) -> None:
    night = make_night(tmp_path)
    write_rows(night, "marts.effects", [
        effect(4, "price", "weak", 0.1), effect(5, "price", "credible", 0.5),
        effect(6, "price", "weak", 0.2),
        effect(5, "sound", "credible", 0.5), effect(6, "sound", "credible", -0.5),
        effect(5, "size", "credible", 0.5), effect(6, "size", "credible", 0.4),
        effect(5, "fit", "weak", 0.5), effect(6, "fit", "no result", None),
        effect(5, "case", "no result", None), effect(6, "case", "credible", 0.3),
        effect(6, "fresh", "credible", 0.3),
        effect(5, "side", "credible", 0.3, contrast="positive"),
        effect(6, "side", "weak", 0.3, contrast="positive"),
    ])  # fmt: skip
    found = {h.subject.split("/")[1]: h.sentence for h in find_turned(night)}
    assert set(found) == {"price", "sound", "case"}
    assert "+0.50 credible on 2024-03-05, now +0.20 weak" in found["price"]
    assert "no result no result on 2024-03-05, now +0.30 credible" in found["case"]


def attack(day: int, subject: str, *, turns: bool, smallest: float | None) -> dict[str, Any]:
    return {
        "as_of": date(2024, 3, day), "source": "s", "attack": "gradient", "target": "effects",
        "subject": subject, "share": 0.01, "is_verdict_flipped": turns, "smallest_share": smallest,
        "looked_to": 0.16, "clean_verdict": "credible", "attacked_verdict": "weak",
    }  # fmt: skip


def test_attacks_that_got_easier_are_told_on_their_first_night_only(tmp_path: Path) -> None:
    night = make_night(tmp_path)
    write_rows(night, "marts.attacks", [
        attack(2, "turns", turns=False, smallest=0.03), attack(6, "turns", turns=True, smallest=0.03),
        attack(2, "easier", turns=False, smallest=0.05), attack(6, "easier", turns=False, smallest=0.03),
        attack(2, "found", turns=False, smallest=None), attack(6, "found", turns=False, smallest=0.1),
        attack(2, "alike", turns=False, smallest=0.05), attack(6, "alike", turns=False, smallest=0.045),
        attack(2, "harder", turns=True, smallest=0.01), attack(6, "harder", turns=False, smallest=0.05),
        attack(2, "told", turns=False, smallest=0.05), attack(5, "told", turns=True, smallest=0.01),
        attack(6, "told", turns=True, smallest=0.01), attack(6, "first", turns=True, smallest=0.01),
    ])  # fmt: skip
    found = {h.subject.split("/")[1]: h.sentence for h in find_easier(night)}
    assert set(found) == {"turns", "easier", "found"}
    assert "now turn credible into weak; on 2024-03-02 they did not" in found["turns"]
    assert "3.00% fake reviews turn its verdict; on 2024-03-02 it took 5.00%" in found["easier"]
    assert "more than 16.00%" in found["found"]
    assert {h.event for h in find_happenings(night, account(night, "report.html"))} == {
        "robustness"
    }


def test_a_stopped_redelivery_of_an_earlier_day_is_an_alert_of_the_gate(tmp_path: Path) -> None:
    night = make_night(tmp_path)
    old = InputError("the file is torn")
    night.setbacks = [Failure("shop/2024-03-01/reviews", e) for e in (STOPPED, old)]
    (happening,) = find_happenings(night, {"messages": ["one", "two"], "report": None})
    assert (happening.event, happening.sentence) == ("gate", str(STOPPED))


def test_no_secret_is_in_an_error_whatever_goes_wrong(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    settings = AlertSettings(
        webhook_url=f"http://127.0.0.1:1/{HOOK}", webhook_token=BEARER, attempts=1,
        services=[f"json://user:{SERVICE}@127.0.0.1:1/"], email_to=["a@b"], email_from="c@d",
        smtp_host="127.0.0.1", smtp_port=1, smtp_user="u", smtp_password=PASSWORD,
    )  # fmt: skip
    said = [repr(settings), settings.model_dump_json()]
    for channel in list_channels(settings, tmp_path):
        with pytest.raises(AlertError) as error:
            deliver(channel, Message("test", NIGHT, "x"), attempts=1)
        said += [str(error.value), repr(error.value.__cause__)]
    said.append(caplog.text)
    assert not [secret for secret in SECRETS if secret in "\n".join(said)]


def test_what_is_unforeseen_does_not_stop_the_night(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    night = make_night(tmp_path, STOPPED, webhook_url=f"http://127.0.0.1:1/{HOOK}")

    def fail(_message: Message) -> None:
        raise RuntimeError(HOOK)

    monkeypatch.setattr("flows.alerts.list_channels", lambda *_: [Channel("webhook", fail)])
    assert send_alerts(night, account(night)) == [
        {"event": None, "channel": None, "status": "failed", "why": "RuntimeError"}
    ]


@pytest.mark.slow
def test_what_did_not_get_through_is_told_by_the_next_run_of_an_unchanged_night(
    done: FinishedNight, tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    turned = Happening("verdict", "shop/size: weak", "size: +0.1 credible, now +0.1 weak")
    monkeypatch.setattr("flows.alerts.find_turned", lambda _: [turned])
    shop = done.shop.copy(tmp_path / "shop")
    shop.extra["WHYREC_ALERTS__WEBHOOK_URL"] = f"{receiver.url}/{HOOK}"
    receiver.refusals, receiver.code = 1, 404
    answers = [shop.call("nightly") for _ in range(3)]
    assert [answer["tasks"]["ran"] for answer in answers[1:]] == [0, 0]
    assert [answer["alerts"][0]["status"] for answer in answers] == [
        "failed", "sent", "told before",
    ]  # fmt: skip
    assert len(receiver.posts) == 2


@pytest.mark.slow
def test_a_real_night_tells_that_it_failed_and_leaves_no_secret_behind(
    server: str, tmp_path: Path, receiver: Receiver
) -> None:
    spec = WorldSpec(
        n_users=30, n_items=10, n_days=1, reviews_per_day=20, exposures_per_day=5, seed=3
    )
    write_drops(spec, tmp_path / "drops")
    reviews = tmp_path / "drops" / spec.date_of(0).isoformat() / "reviews.jsonl.gz"
    reviews.write_bytes(gzip.compress(b"garbage\n" * 100))
    (tmp_path / "whyrec.toml").write_text(CONFIG)
    shop = Shop(tmp_path, server, extra={
        "WHYREC_ALERTS__WEBHOOK_URL": f"{receiver.url}/{HOOK}",
        "WHYREC_ALERTS__WEBHOOK_TOKEN": BEARER,
        "WHYREC_ALERTS__SERVICES": json.dumps([f"json://user:{SERVICE}@127.0.0.1:1/"]),
        "WHYREC_ALERTS__ATTEMPTS": "1",
    })  # fmt: skip
    process = shop.start("nightly", "--json")
    out, error = process.communicate(timeout=240)
    document = json.loads(out)
    assert process.returncode == 1
    assert {a["channel"]: a["status"] for a in document["alerts"]} == {
        "webhook": "sent", "service 1": "failed",
    }  # fmt: skip
    assert receiver.posts[0][2]["event"] == "failed"
    texts = [out, error] + [
        path.read_bytes().decode(errors="replace")
        for path in (tmp_path / "home").rglob("*")
        if path.is_file()
    ]
    assert len(texts) > 5
    assert not [secret for secret in SECRETS if secret in "\n".join(texts)]
