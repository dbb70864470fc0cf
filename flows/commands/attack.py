"""The commands `whyrec attack behaviour` and `whyrec attack effects`."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from flows.commands.attack_sweep import register_sweep
from flows.commands.attack_text import register_text
from flows.commands.options import Config, Json, parse_date, split_names
from flows.console import (
    explain_errors,
    print_json,
    print_line,
    print_note,
    print_table,
    refuse_options,
)
from tasks.platform.numbers import tell_estimate, tell_signed

if TYPE_CHECKING:
    from flows.attacks.sources import Loaded

File = Annotated[
    str | None,
    typer.Argument(help="CSV, JSON lines or Parquet file of reviews; default the warehouse."),
]
Source = Annotated[
    str | None, typer.Option(help="Source in the warehouse, when there are several.")
]
AsOf = Annotated[str | None, typer.Option(help="Last date to see in the warehouse.")]
BESIDE_FILE = "of the warehouse; leave that out with a FILE, or leave the FILE out"
OF_TABLE = "of a FILE that is a table of reviews; name one, or leave that out"
Attributes = Annotated[
    str | None,
    typer.Option(
        help="Attributes, a,b,c: columns of labels, or read from --text where there are none."
    ),
]
Text = Annotated[str | None, typer.Option(help="Column of the text.")]
User = Annotated[str | None, typer.Option(help="Column of the user, default user_id.")]
Item = Annotated[str | None, typer.Option(help="Column of the item, default item_id.")]
Rating = Annotated[str | None, typer.Option(help="Column of the rating, default rating.")]
Date = Annotated[
    str | None, typer.Option(help="Column of the date, or of (milli)seconds since 1970.")
]
Attacks = Annotated[
    str | None,
    typer.Option(
        help="Of random, average, bandwagon, love-hate, segment, noise, fake-reviews, gradient; default all."
    ),
]
Share = Annotated[float, typer.Option("--size", help="Fake reviews, as a share of the real ones.")]
Writer = Annotated[
    str, typer.Option(help="Who writes the texts: templates, or llm (the model of extract.llm).")
]
Fence = Annotated[
    float,
    typer.Option(
        help="Robust standard deviations from which an account is flagged; less, and more are."
    ),
]
Seed = Annotated[int, typer.Option(min=0, help="Of everything that is drawn.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the group `attack`."""
    register_text(app)
    register_sweep(app)
    app.command("behaviour")(attack_behaviour)
    app.command("effects")(attack_effects)


def attack_effects(
    file: File = None,
    attributes: Attributes = None,
    text: Text = None,
    user: User = None,
    item: Item = None,
    rating: Rating = None,
    date: Date = None,
    attacks: Attacks = None,
    size: Share = 0.01,
    most: Annotated[
        float, typer.Option(help="Largest attack tried, as a share of the real reviews.")
    ] = 0.16,
    source: Source = None,
    as_of: AsOf = None,
    writer: Writer = "templates",
    fence: Fence = 2.25,
    seed: Seed = 0,
    config: Config = None,
    is_json: Json = False,
) -> None:
    """How far fake reviews move what is concluded, how few flip it, and what detection saves.

    Examples: whyrec attack effects --attributes price,shipping

    whyrec attack effects reviews.csv --text body --date day --attributes food,service
    """
    with explain_errors(is_json=is_json):
        from flows.attacks import behaviour as module
        from flows.attacks.writer import choose_writer
        from tasks.robustness.scorecard import NAMES, Plan

        plan = Plan(
            split_names(attacks) or NAMES, size, most, fence=fence, seed=seed,
            writer=choose_writer(writer, config),
        )  # fmt: skip
        loaded = load(file, attributes, (user, item, rating, date, text), source, as_of, config)
        wanted = () if file else split_names(attributes)
        document = module.attack_effects(loaded, plan, wanted)
        if is_json:
            print_json(document)
        else:
            show_effects(document)


def attack_behaviour(
    file: File = None,
    attributes: Attributes = None,
    text: Text = None,
    user: User = None,
    item: Item = None,
    rating: Rating = None,
    date: Date = None,
    attacks: Attacks = None,
    size: Share = 0.01,
    mode: Annotated[
        str, typer.Option(help="push (praise an item that is rated low) or nuke (the reverse).")
    ] = "push",
    victim: Annotated[
        str,
        typer.Option(
            help="Recommender under attack: surrogate (a ridge factorisation), or what a night trains: "
            "bias, mf, mf-ips, features, ips, snips, dr, stabledr. These cost more."
        ),
    ] = "surrogate",
    source: Annotated[
        str | None,
        typer.Option(
            help="Source in the warehouse, when there are several; of a FILE its kind, coat or movielens."
        ),
    ] = None,
    as_of: AsOf = None,
    fence: Fence = 2.25,
    seed: Seed = 0,
    config: Config = None,
    is_json: Json = False,
) -> None:
    """What fake accounts do to a recommender and to click rates, and which accounts look fake as it is.

    Examples: whyrec attack behaviour --mode nuke --size 0.03

    whyrec attack behaviour ratings.csv --user uid --item iid --rating stars --date day

    whyrec attack behaviour coat/ --source coat --victim ips --size 0.05
    """
    with explain_errors(is_json=is_json):
        from flows.attacks import behaviour as module
        from flows.attacks.ratings import load_ratings
        from tasks.robustness.scorecard import NAMES, Plan

        plan = Plan(
            split_names(attacks) or NAMES, size, mode=read_mode(mode), fence=fence, seed=seed
        )
        if file is not None and source is not None:
            refuse_options(BESIDE_FILE, as_of=as_of)
            refuse_options(
                OF_TABLE, attributes=attributes, text=text, user=user, item=item, rating=rating,
                date=date,
            )  # fmt: skip
            loaded = load_ratings(source, file)
        else:
            loaded = load(file, attributes, (user, item, rating, date, text), source, as_of, config)
        document = module.attack_behaviour(loaded, plan, victim)
        if is_json:
            print_json(document)
        else:
            show_behaviour(document)


def read_mode(text: str) -> Literal["push", "nuke"]:
    """The option --mode."""
    from tasks.platform.errors import ConfigError

    if text == "push":
        return "push"
    if text == "nuke":
        return "nuke"
    raise ConfigError(f"--mode is {text!r}; use push or nuke")


def load(
    file: str | None,
    attributes: str | None,
    columns: tuple[str | None, ...],
    source: str | None,
    as_of: str | None,
    config: str | None,
) -> "Loaded":
    """What to attack; `columns` are those of user, item, rating, date and text, where they are named."""
    from flows.attacks.files import load_file
    from flows.attacks.sources import Columns, load_warehouse

    names = tuple(dict.fromkeys(split_names(attributes)))
    named = dict(zip(("user", "item", "rating", "date", "text"), columns, strict=True))
    if file is not None:
        refuse_options(BESIDE_FILE, source=source, as_of=as_of)
        given = {name: column for name, column in named.items() if column is not None}
        return load_file(file, Columns(**given), attributes=names, config=config)
    refuse_options(OF_TABLE, **named)
    return load_warehouse(source=source, attributes=names, as_of=parse_date(as_of), config=config)


def show_effects(document: dict[str, Any]) -> None:
    """Tables: what each attack does, and how few fakes suffice."""
    clean = {row["attribute"]: row for row in document["clean"]}
    tried = [one for one in document["attacks"] if one["outcome"] != "skipped"]
    rows = [
        (
            one["attribute"], one["attack"], tell(clean[one["attribute"]]),
            clean[one["attribute"]]["standing"], tell(one["attacked"]), one["shift"], tell_back(one["defences"][0]), one["detection"]["auc"],
        )
        for one in tried
    ]  # fmt: skip
    columns = (
        "attribute", "attack", "clean", "verdict", "attacked", "in s.e.", "without flagged", "AUC",
    )  # fmt: skip
    title = f"{document['source']}: {document['n']:,} reviews, fakes worth {document['share']:.1%}"
    print_table(title, columns, rows)
    tell_ground(document)
    print_table(
        "smallest attack that changes what is concluded", ("attribute", "attack", "smallest"),
        [(one["attribute"], one["attack"], one["smallest"]["sentence"]) for one in tried],
    )  # fmt: skip
    for line in tell_unread(tried):
        print_line(line)
    tell_counts(document)
    flagged = document["flagged_clean"]
    print_line(
        f"with nothing planted, {flagged['flagged']:,} of {flagged['accounts']:,} accounts are flagged"
    )


def tell_unread(tried: list[dict[str, Any]]) -> list[str]:
    """Fake reviews that the extractor does not read and no effect counts, one line an attack that has any."""
    return [
        f"{one['attack']} on {one['attribute']}: {one['not_read']:,} of {one['rows']:,} fake reviews are "
        "not read by the extractor and move nothing"
        for one in tried
        if one["not_read"]
    ]


def tell_ground(document: dict[str, Any]) -> None:
    """What the clean effects rest on: rows, where what texts say is known from, what is held fixed."""
    if document["rows"] is not None:
        print_line(tell_rows(document["rows"]))
    if document["says_from"]:
        print_line(f"what texts say: {document['says_from']}")
    if document["held_fixed"]:
        print_line(f"clean effects hold fixed: {', '.join(document['held_fixed'])}")
    for caveat in document["caveats"]:
        print_line(f"- {caveat}")


def tell_rows(rows: dict[str, Any]) -> str:
    """Rows read = used + left out, in words."""
    reasons = ", ".join(f"{why}: {count:,}" for why, count in rows["reasons"].items())
    parts = (
        ("no_id", "without a user or item"), ("no_date", "without a date"),
        ("no_rating", "without a rating"),
        ("not_read", f"not read ({reasons})" if reasons else "not read"),
    )  # fmt: skip
    left = "".join(f" + {rows[key]:,} {said}" for key, said in parts if rows[key])
    return f"{rows['read']:,} reviews read = {rows['used']:,} used{left}"


def show_behaviour(document: dict[str, Any]) -> None:
    """Tables: damage to the recommender and to click rates, and the accounts that look fake."""
    rows = [
        (
            one["attack"], one["attacked"]["prediction_shift"],
            f"{one['attacked']['clean']['hit_rate']:.1%}",
            f"{one['attacked']['attacked']['hit_rate']:.1%}",
            f"{one['defended']['attacked']['hit_rate']:.1%}",
            f"{one['attacked']['displaced']:.1%}", one["detection"]["auc"],
            f"{one['detection']['precision']:.0%}",
        )
        for one in document["attacks"]
        if one["outcome"] != "skipped"
    ]  # fmt: skip
    columns = (
        "attack", "stars", "hit rate", "attacked", "defended", "displaced", "AUC",
        "precision at 1% false alarms",
    )  # fmt: skip
    title = f"{document['mode']} by {document['share']:.1%} of {document['n']:,} reviews; victim: {document['victim']}"
    print_table(title, columns, rows)
    if document["rows"] is not None:
        print_line(tell_rows(document["rows"]))
    if document["clicks"]:
        names = ("attack", "item", "rows", "clean", "attacked", "defended", "auc")
        print_table(
            "clicks per exposure", names, [[c[n] for n in names] for c in document["clicks"]]
        )
    tell_counts(document)
    suspects = [
        (
            one["user_id"],
            one["score"],
            one["reviews"],
            one["mean_rating"],
            ", ".join(one["reasons"]),
        )
        for one in document["suspects"][:15]
    ]
    print_table(
        f"{document['flagged']:,} of {document['accounts']:,} accounts look unusual as it is",
        ("account", "score", "reviews", "mean rating", "because of"), suspects,
    )  # fmt: skip


def tell_counts(document: dict[str, Any]) -> None:
    """How many attacks were tried, and why others were not."""
    counts = document["counts"]
    print_line(
        f"{counts['attempted']} attempted: {counts['succeeded']} succeeded, {counts['failed']} failed; "
        f"{counts['skipped']} skipped"
    )
    reasons = {one["reason"] for one in document["attacks"] if one["outcome"] == "skipped"}
    for reason in sorted(reasons):
        print_note(f"skipped: {reason}")


def tell(found: dict[str, Any]) -> str:
    """An estimate with its interval."""
    if found["estimate"] is None:
        return "no result"
    return tell_estimate(found)


def tell_back(found: dict[str, Any]) -> str:
    """What a defence gives, and whether that is inside the clean interval."""
    if found["estimate"] is None:
        return "no result"
    return f"{tell_signed(found['estimate'])} ({'back' if found['is_back'] else 'not back'})"
