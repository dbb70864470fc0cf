"""The sample world as a source delivers it: one folder a date, with the usual faults in it.

`<folder>/<YYYY-MM-DD>/reviews.jsonl.gz`, `exposures.jsonl.gz`, `items.jsonl`, `users.jsonl`; the
first date lists everything that is there, later dates have items and users only when some are new.
Beside the dates: `truth.json` (what an analysis should find), `manifest.json` (rows per date, table
and kind, reasons of malformed rows), and with an attack `attack_labels.jsonl` (which reviews are
shill reviews). Bytes are a function of the spec alone; a date's bytes do not depend on `n_days`.
"""

import gzip
import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import numpy as np

from tasks.ingest.sample_text import write_reviews
from tasks.ingest.sample_world import (
    ATTRIBUTE_NAMES,
    BRAND_QUALITY,
    BRANDS,
    CATEGORIES,
    POLICIES,
    SECONDS_PER_DAY,
    SEGMENTS,
    STRICTNESS_LEVELS,
    AttackSpec,
    Catalogue,
    Exposures,
    Reviews,
    WorldSpec,
    draw_reviews,
    make_catalogue,
    make_rng,
    simulate_exposures,
    simulate_reviews,
    work_out_truth,
)
from tasks.platform.errors import ConfigError

Row = dict[str, Any]
Manifest = dict[str, dict[str, dict[str, Any]]]

TRUTH_FILE: Final = "truth.json"
MANIFEST_FILE: Final = "manifest.json"
ATTACK_FILE: Final = "attack_labels.jsonl"
BAD_TIME: Final = "2024-13-45T99:00:00Z"


def name_item(index: int) -> str:
    """Item id of an item index."""
    return f"i{index + 1:05d}"


def name_user(index: int) -> str:
    """User id of a user index; attackers have indices from `n_users` on."""
    return f"u{index + 1:07d}"


def format_time(day: date, second: int) -> str:
    """ISO time in UTC, to the second."""
    moment = datetime.combine(day, time(), tzinfo=UTC) + timedelta(seconds=second)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def write_drops(spec: WorldSpec, folder: Path) -> Path:
    """Write every date of `spec` under `folder`, then truth and manifest; returns `folder`."""
    catalogue = make_catalogue(spec)
    manifest: Manifest = {}
    labels: list[Row] = []
    for day in range(spec.n_days):
        drop = folder / spec.date_of(day).isoformat()
        manifest[drop.name] = _write_day(catalogue, day, drop, is_corrected=False)
        labels += _list_attack(catalogue, day)
    if spec.attack is not None:
        keys = ("user_id", "item_id", "reviewed_at")
        rows = [{key: label[key] for key in keys} for label in labels]
        _write_file(folder / ATTACK_FILE, _join_lines(map(_encode, rows)))
    _write_file(folder / TRUTH_FILE, work_out_truth(catalogue).to_json().encode())
    _write_json(folder / MANIFEST_FILE, manifest)
    return folder


def write_correction(spec: WorldSpec, folder: Path) -> Path:
    """Deliver the date of `correction_day` again, corrected, and return its folder.

    Against the first delivery: `n_misrated` ratings differ, `n_textless` texts are filled in and
    `n_withdrawn` reviews are gone; exposures are the same to the byte. The date's counts in the
    manifest are replaced. Raises ConfigError when the window holds no such day.
    """
    day = spec.correction_day
    if day is None or day >= spec.n_days:
        raise ConfigError(
            f"correction_day is {day} but the window has days 0 to {spec.n_days - 1}; "
            "choose one of these"
        )
    drop = folder / spec.date_of(day).isoformat()
    counts = _write_day(make_catalogue(spec), day, drop, is_corrected=True)
    path = folder / MANIFEST_FILE
    manifest: Manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest[drop.name] = counts
    _write_json(path, manifest)
    return drop


def _write_day(
    catalogue: Catalogue, day: int, drop: Path, *, is_corrected: bool
) -> dict[str, dict[str, Any]]:
    """Write one date; returns its counts per table."""
    drop.mkdir(parents=True, exist_ok=True)
    counts: dict[str, dict[str, Any]] = {}
    reviews = list_reviews(catalogue, day, is_corrected=is_corrected)
    for table, rows in (("reviews", reviews), ("exposures", list_exposures(catalogue, day))):
        lines, counts[table] = _add_faults(catalogue.spec, day, table, rows)
        _write_file(drop / f"{table}.jsonl.gz", _compress(_join_lines(lines)))
    for table, rows in (
        ("items", list_items(catalogue, day)),
        ("users", list_users(catalogue, day)),
    ):
        if rows:
            _write_file(drop / f"{table}.jsonl", _join_lines(map(_encode, rows)))
            counts[table] = _count(good=len(rows))
    return counts


def list_items(catalogue: Catalogue, day: int) -> list[Row]:
    """Items that appear on `day`, canonical columns without `source`."""
    return [
        _describe_item(catalogue, int(index)) for index in np.flatnonzero(catalogue.item_day == day)
    ]


def _describe_item(catalogue: Catalogue, index: int) -> Row:
    brand = BRANDS[catalogue.brand[index]]
    category = CATEGORIES[catalogue.category[index]]
    return {
        "item_id": name_item(index),
        "title": f"{brand} {category} {100 + index}",
        "description": f"A {category} by {brand}.",
        "brand": brand,
        "category": category,
        "price_usd": float(catalogue.price_usd[index]),
    }


def list_users(catalogue: Catalogue, day: int) -> list[Row]:
    """Users that appear on `day`; features are an object of `segment` and `strictness`."""
    rows = [
        _describe_user(index, int(catalogue.segment[index]), int(catalogue.strictness[index]))
        for index in map(int, np.flatnonzero(catalogue.user_day == day))
    ]
    attack = catalogue.spec.attack
    if attack is not None and day == attack.first_day:
        rng = make_rng(catalogue.spec, "attack", SECONDS_PER_DAY)
        rows += [
            _describe_user(
                catalogue.spec.n_users + account,
                int(rng.integers(len(SEGMENTS))),
                int(rng.integers(STRICTNESS_LEVELS)),
            )
            for account in range(attack.n_accounts)
        ]
    return rows


def _describe_user(index: int, segment: int, strictness: int) -> Row:
    level = round(strictness / (STRICTNESS_LEVELS - 1), 2)
    return {
        "user_id": name_user(index),
        "features": {"segment": SEGMENTS[segment], "strictness": level},
    }


def list_reviews(catalogue: Catalogue, day: int, *, is_corrected: bool) -> list[Row]:
    """Good review rows of one date as delivered, in order of time."""
    spec = catalogue.spec
    rows = _format_reviews(spec, day, simulate_reviews(catalogue, day))
    if day == spec.correction_day and not is_corrected:
        rows = _spoil_reviews(catalogue, day, rows)
    rows += _list_attack(catalogue, day)
    return sorted(rows, key=lambda row: str(row["reviewed_at"]))


def _format_reviews(spec: WorldSpec, day: int, reviews: Reviews) -> list[Row]:
    today = spec.date_of(day)
    return [
        {
            "user_id": name_user(int(reviews.user[at])),
            "item_id": name_item(int(reviews.item[at])),
            "reviewed_at": format_time(today, int(reviews.second[at])),
            "rating": int(reviews.rating[at]),
            "title": reviews.titles[at],
            "text": reviews.texts[at],
            "helpful_votes": int(reviews.helpful[at]),
            "total_votes": int(reviews.votes[at]),
            "is_verified": bool(reviews.is_verified[at]),
        }
        for at in range(len(reviews.user))
    ]


def _spoil_reviews(catalogue: Catalogue, day: int, rows: list[Row]) -> list[Row]:
    """The first, faulty delivery: wrong ratings, texts left out, reviews to be withdrawn."""
    spec = catalogue.spec
    rng = make_rng(spec, "withdrawn", day)
    picks = rng.permutation(len(rows))[: spec.n_misrated + spec.n_textless]
    rows = [dict(row) for row in rows]
    for place, at in enumerate(picks):
        if place < spec.n_misrated:
            rows[at]["rating"] = rows[at]["rating"] % 5 + 1
        else:
            rows[at]["text"] = ""
    extra = draw_reviews(catalogue, day, n=spec.n_withdrawn, rng=rng, text_rng=rng)
    return rows + _format_reviews(spec, day, extra)


def _list_attack(catalogue: Catalogue, day: int) -> list[Row]:
    """Shill reviews of one date, [] on a quiet one."""
    attack = catalogue.spec.attack
    if attack is None or not attack.first_day <= day < attack.first_day + attack.n_days:
        return []
    spec, n = catalogue.spec, attack.reviews_per_day
    rng = make_rng(spec, "attack", day)
    targets = np.argsort(BRAND_QUALITY[catalogue.brand] + catalogue.item_day, kind="stable")
    true = draw_reviews(catalogue, day, n=n, rng=rng, text_rng=None)
    titles, texts = _write_praise(attack, n, rng)
    faked = replace(
        true,
        user=spec.n_users + rng.integers(attack.n_accounts, size=n),
        item=targets[rng.integers(attack.n_items, size=n)],
        rating=np.full(n, attack.rating),
        titles=titles,
        texts=texts,
    )
    return _format_reviews(spec, day, faked)


def _write_praise(
    attack: AttackSpec, n: int, rng: np.random.Generator
) -> tuple[list[str], list[str]]:
    is_mentioned = np.zeros((n, len(ATTRIBUTE_NAMES)), dtype=np.bool_)
    is_mentioned[:, ATTRIBUTE_NAMES.index(attack.praised)] = True
    return write_reviews(
        is_mentioned.astype(np.int8), is_mentioned, attributes=ATTRIBUTE_NAMES, rng=rng
    )


def list_exposures(catalogue: Catalogue, day: int) -> list[Row]:
    """Good exposure rows of one date; `context` is an object of `segment` and `n_candidates`."""
    spec, log = catalogue.spec, simulate_exposures(catalogue, day)
    n_candidates = int((catalogue.item_day <= day).sum())
    return [
        _format_exposure(catalogue, spec.date_of(day), log, at, n_candidates)
        for at in range(len(log.user))
    ]


def _format_exposure(
    catalogue: Catalogue, today: date, log: Exposures, at: int, n_candidates: int
) -> Row:
    position = int(log.position[at])
    return {
        "exposure_id": f"{today:%Y%m%d}-{int(log.request[at]):07d}-{position}",
        "user_id": name_user(int(log.user[at])),
        "item_id": name_item(int(log.item[at])),
        "exposed_at": format_time(today, int(log.second[at])),
        "policy": POLICIES[log.policy[at]],
        "position": position,
        "propensity": float(log.propensity[at]),
        "is_clicked": bool(log.is_clicked[at]),
        "is_converted": bool(log.is_converted[at]),
        "context": {
            "segment": SEGMENTS[catalogue.segment[log.user[at]]],
            "n_candidates": n_candidates,
        },
    }


def _break_json(row: Row, _table: str) -> bytes:
    line = _encode(row)
    return line[: len(line) * 3 // 5]


def _drop_user(row: Row, _table: str) -> bytes:
    return _encode({key: value for key, value in row.items() if key != "user_id"})


def _break_utf8(row: Row, _table: str) -> bytes:
    return _encode(row).replace(b'"item_id": "', b'"item_id": "\xff\xfe', 1)


def _break_time(row: Row, table: str) -> bytes:
    return _encode(row | {"reviewed_at" if table == "reviews" else "exposed_at": BAD_TIME})


def _break_rating(row: Row, _table: str) -> bytes:
    return _encode(row | {"rating": 9})


_FAULTS: Final[dict[str, Callable[[Row, str], bytes]]] = {
    "broken_json": _break_json,
    "missing_user": _drop_user,
    "invalid_utf8": _break_utf8,
    "bad_time": _break_time,
    "rating_out_of_range": _break_rating,
}


def _add_faults(
    spec: WorldSpec, day: int, table: str, rows: list[Row]
) -> tuple[list[bytes], dict[str, Any]]:
    """Lines of a file: good rows in order, exact duplicates and malformed rows in between.

    Malformed rows are spoilt copies of good ones, the kinds taken in turn. An empty day has none.
    """
    lines = [_encode(row) for row in rows]
    if not rows:
        return lines, _count(good=0)
    rng = make_rng(spec, "faults", 2 * day + (table == "exposures"))
    n_duplicates = min(spec.duplicates_per_day, len(rows))
    extra = [lines[at] for at in rng.permutation(len(rows))[:n_duplicates]]
    kinds = [kind for kind in _FAULTS if table == "reviews" or kind != "rating_out_of_range"]
    reasons = [kinds[(day + place) % len(kinds)] for place in range(spec.malformed_per_day)]
    extra += [_FAULTS[kind](rows[rng.integers(len(rows))], table) for kind in reasons]
    for line in extra:
        lines.insert(int(rng.integers(len(lines) + 1)), line)
    return lines, _count(good=len(rows), duplicate=n_duplicates, reasons=Counter(reasons))


def _count(*, good: int, duplicate: int = 0, reasons: Counter[str] | None = None) -> dict[str, Any]:
    reasons = reasons or Counter()
    malformed = reasons.total()
    return {
        "rows": good + duplicate + malformed,
        "good": good,
        "duplicate": duplicate,
        "malformed": malformed,
        "reasons": dict(sorted(reasons.items())),
    }


def _encode(row: Row) -> bytes:
    return json.dumps(row, ensure_ascii=False).encode()


def _join_lines(lines: Iterable[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in lines)


def _compress(content: bytes) -> bytes:
    buffer = BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=buffer, compresslevel=6, mtime=0) as packed:
        packed.write(content)
    return buffer.getvalue()


def _write_json(path: Path, content: object) -> None:
    _write_file(path, (json.dumps(content, indent=2) + "\n").encode())


def _write_file(path: Path, content: bytes) -> None:
    """Replace `path` in one step, so that a reader never sees half of a delivery."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".tmp")
    draft.write_bytes(content)
    draft.replace(path)
