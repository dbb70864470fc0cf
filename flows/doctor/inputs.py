"""Checks of what nights read and whom they tell: models, labels, sources, alerts."""

import os
import stat
import tomllib
from datetime import date
from pathlib import Path

from flows.doctor.setup import Finding
from tasks.effects.gold import KEY, read_gold
from tasks.ingest.drops import list_drops
from tasks.ingest.sources import (
    GONE_ADVICE,
    find_gone,
    find_unread,
    list_delivered,
    locate_source,
    tell_gone,
)
from tasks.platform.catalog import show_catalog
from tasks.platform.errors import ConfigError, InputError
from tasks.platform.settings import Settings
from tasks.platform.site import Site
from tasks.platform.sql import read_sql

OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
SECRETS = (
    ("alerts", "webhook_url"), ("alerts", "webhook_token"), ("alerts", "smtp_password"),
    ("alerts", "services"), ("ingest", "user_id_key"),
)  # fmt: skip


def check_encoder(settings: Settings, _site: Site) -> Finding:
    """Whether the encoder is there and computes as was asked for."""
    from tasks.text.task import choose_model, describe_encoder

    offline = [name for name in OFFLINE if os.environ.get(name) in ("1", "true", "TRUE", "yes")]
    try:
        model = choose_model(settings.text)
    except ConfigError as error:
        advice = "name a folder that holds the model, or let it be fetched once"
        if offline and settings.text.is_remote_allowed:
            advice = f"{offline[0]} is set, so nothing is fetched: unset it, or fetch the model elsewhere"
        return Finding("encoder", False, str(error), advice)
    encoder, notes = describe_encoder(settings.text)
    found = f"{model.name}, revision {model.revision}, on {encoder}"
    advice = "set text.precision or text.backend to what this machine has, or accept the slower one"
    return Finding("encoder", True, "; ".join([found, *notes]), advice if notes else "")


def check_extractor(settings: Settings, _site: Site) -> Finding:
    """Whether what reads attributes is there."""
    from tasks.text.task import choose_extractor, is_taught

    extract = settings.extract
    labels = extract.distilled.labels
    if is_taught(extract) and labels is not None:
        place = settings.root / Path(labels).expanduser()
        if not place.is_file():
            found = f"extract.distilled.labels: there is no file {place}"
            return Finding("extractor", False, found, "check the path")
    try:
        choice = choose_extractor(extract)
    except (ConfigError, ImportError) as error:
        advice = "pip install 'whyrec[llm]', and name a model in extract.llm.model that is there"
        return Finding("extractor", False, str(error), advice)
    return Finding("extractor", True, choice.name)


def check_gold(settings: Settings, site: Site) -> Finding:
    """Whether the labels that correct effects are of reviews that are there."""
    named, subject = settings.extract.gold, "gold labels"
    if named is None:
        return Finding(subject, True, "none named")
    place = settings.root / Path(named).expanduser()
    try:
        gold = read_gold(place, settings.extract.names)
    except InputError as error:
        return Finding(subject, False, str(error), f"it needs {KEY} and a column per attribute")
    if site.warehouse.is_absent:
        return Finding(subject, True, f"{gold.height} labelled reviews; nothing published yet")
    ids = gold[KEY].to_list()
    with site.warehouse.connect() as connection:
        scope = {"review_ids": ids, "as_of": date.max}
        rows = connection.execute(read_sql("clean/reviews_named"), scope).fetchall()
    found = f"{len(rows)} of {len(ids)} labelled reviews are published"
    if len(rows) < min(30, len(ids)):
        advice = f"{KEY} must be as in clean.reviews (SELECT review_id, text FROM clean.reviews USING SAMPLE 200)"
        return Finding(subject, False, found, advice)
    return Finding(subject, True, found)


def check_sources(settings: Settings, site: Site) -> Finding:
    """Whether every source's folder is there and holds drops, those that are published among them."""
    if not settings.sources:
        found = "none configured; 'whyrec import' and 'whyrec demo' need none"
        return Finding("sources", True, found)
    days: set[date] = set()
    for source in (one for one in settings.sources if one.is_enabled):
        if "://" not in source.path and not (settings.root / source.path).is_dir():
            found = f"source {source.name}: there is no folder {settings.root / source.path}"
            advice = (
                "mend its path (relative ones start at the settings file), or is_enabled = false"
            )
            return Finding("sources", False, found, advice)
        mapping = settings.root / source.mapping if source.mapping else None
        if source.kind == "mapping" and (mapping is None or not mapping.is_file()):
            found = f"source {source.name}: there is no mapping file {mapping or '(none named)'}"
            return Finding("sources", False, found, "write one, see the README on 'Your data'")
        listed = list_drops(place := locate_source(source, settings))
        if not listed:
            found = f"source {source.name}: no drop found in {place}"
            advice = "expected folders <path>/YYYY-MM-DD/ with files in them"
            return Finding("sources", False, found, advice)
        days.update(listed)
    if not days:
        return Finding("sources", True, "all are switched off (is_enabled = false)")
    found = f"drops of {len(days)} days, {min(days)} to {max(days)}"
    told = find_unread(settings)
    if unread := [sentence for day in sorted(told) for sentence in told[day]]:
        more = f"; so {len(unread) - 1:,} more" if len(unread) > 1 else ""
        return Finding("sources", False, f"{found}; {unread[-1]}{more}", "deliver these days again")
    gone = find_left(settings, site)
    if not gone:
        return Finding("sources", True, found)
    return Finding("sources", True, f"{found}; {tell_gone(gone)}", GONE_ADVICE)


def find_left(settings: Settings, site: Site) -> list[tuple[str, str]]:
    """Published drops that are no longer at their source; none where nothing is published yet."""
    if site.warehouse.is_absent:
        return []
    delivered = list_delivered(settings, until=date.max)
    return find_gone(delivered, settings, site.warehouse, until=date.max)


def check_alerts(settings: Settings, _site: Site) -> Finding:
    """Whether somebody hears of a failed night, and secrets are where they belong."""
    alerts = settings.alerts
    if exposed := find_exposed(settings):
        found = f"{exposed} is in {settings.file}, which other users can read"
        advice = f"chmod 600 it, or set WHYREC_{exposed.replace('.', '__').upper()} instead"
        return Finding("alerts", False, found, advice)
    if alerts.smtp_user and alerts.smtp_password is None:
        found = f"alerts.smtp_user is {alerts.smtp_user!r} and there is no password"
        advice = "set WHYREC_ALERTS__SMTP_PASSWORD where nights run"
        return Finding("alerts", False, found, advice)
    names = {
        "webhook": alerts.webhook_url is not None, "e-mail": bool(alerts.email_to),
        "services": bool(alerts.services),
    }  # fmt: skip
    used = [name for name, is_used in names.items() if is_used]
    if not used:
        advice = "set [alerts] webhook_url, email_to or services"
        return Finding("alerts", True, "nobody is told of a failed night", advice)
    return Finding("alerts", True, f"by {', '.join(used)}; try it with 'whyrec alerts'")


def find_exposed(settings: Settings) -> str | None:
    """A secret that stands in a settings file which others can read."""
    file = settings.file
    if file is None or not file.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
        return None
    written = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    named = [f"{section}.{key}" for section, key in SECRETS if key in written.get(section, {})]
    catalog = str(written.get("warehouse", {}).get("catalog", ""))
    named += [] if show_catalog(catalog) == catalog else ["warehouse.catalog"]
    return named[0] if named else None
