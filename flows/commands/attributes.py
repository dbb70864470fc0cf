"""Commands on files of texts: what they say of attributes, and what of it moves the outcome."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from flows.commands.options import (
    Attributes,
    Config,
    ExtractorName,
    Json,
    Key,
    LabelColumns,
    Sample,
    Teacher,
    TeachingLabels,
    TextColumn,
    Texts,
    split_names,
)
from flows.console import (
    explain_errors,
    print_json,
    print_line,
    print_note,
    print_table,
    refuse_options,
)
from tasks.platform.numbers import tell_signed


def register(app: typer.Typer, attributes_app: typer.Typer) -> None:
    """Add `drivers` to the command and the others to its group `attributes`."""
    app.command()(drivers)
    attributes_app.command("extract")(attributes_extract)
    attributes_app.command("evaluate")(attributes_evaluate)
    attributes_app.command("discover")(attributes_discover)
    attributes_app.command("explain")(attributes_explain)


def attributes_extract(
    file: Texts,
    text: TextColumn,
    attributes: Attributes,
    extractor: Annotated[
        str,
        typer.Option(
            help="clauses (words and meaning), llm (a language model), distilled (taught, then fast)."
        ),
    ] = "clauses",
    teacher: Teacher = None,
    labels: TeachingLabels = None,
    columns: LabelColumns = None,
    key: Key = None,
    sample: Sample = None,
    out: Annotated[
        str | None, typer.Option(help="CSV or Parquet file to write; default standard output.")
    ] = None,
    config: Config = None,
    is_json: Json = False,
) -> None:
    """Read attributes out of texts: mentioned or not, polarity, confidence, and the words it was read from.

    The clauses and distilled extractors read English; other texts are skipped, counted and named.

    Examples: whyrec attributes extract reviews.csv --text body --attributes price,battery --out read.csv

    whyrec attributes extract reviews.csv --text body --attributes price --extractor distilled --labels mine.csv --out read.csv
    """
    with explain_errors(is_json=is_json):
        if extractor != "distilled":
            refuse_options(
                "of who teaches the distilled extractor; add --extractor distilled or leave that out",
                teacher=teacher, labels=labels, sample=sample, columns=columns, id=key,
            )  # fmt: skip
        from flows.desk.reading import extract_file
        from flows.desk.texts import Teaching

        extract_file(
            file, text=text, attributes=split_names(attributes), extractor=extractor, key=key,
            teaching=Teaching(teacher, labels, split_names(columns), sample), out=out,
            config=config, is_json=is_json,
        )  # fmt: skip


def attributes_evaluate(
    file: Texts,
    text: TextColumn,
    attributes: Attributes,
    labels: Annotated[
        str | None,
        typer.Option(
            help="File of labels, by its column review_id or row; default the texts' file."
        ),
    ] = None,
    columns: LabelColumns = None,
    key: Key = None,
    extractor: ExtractorName = None,
    teacher: Teacher = None,
    teacher_labels: Annotated[
        str | None,
        typer.Option(help="File of labelled reviews that teach it; they are not compared."),
    ] = None,
    sample: Sample = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the intervals of F1.")] = 0,
    config: Config = None,
    is_json: Json = False,
) -> None:
    """How well attributes are read, against labels: Positive, Negative, neutral or 0, unknown or nothing.

    Example: whyrec attributes evaluate reviews.csv --text body --attributes food,service --columns "{}_label"
    """
    with explain_errors(is_json=is_json):
        from flows.desk.agreement import tell_agreement
        from flows.desk.attributes import TABLE, evaluate_file, list_scores, tell_dropped
        from flows.desk.texts import Teaching

        teaching = Teaching(teacher, teacher_labels, split_names(columns), sample)
        document = evaluate_file(
            file, text=text, attributes=split_names(attributes), labels=labels,
            columns=split_names(columns), key=key, extractor=extractor, seed=seed, teaching=teaching,
            config=config,
        )  # fmt: skip
        if is_json:
            print_json(document)
            return
        print_table(f"Read by {document['extractor']}", TABLE, list_scores(document))
        print_line(
            "majority, praise, blame: F1; mention: precision/recall; off: error of confidence"
        )
        if document["taught"]:
            print_line(tell_agreement(document["taught"]))
        if said := tell_dropped(document):
            print_line(said)
        for warning in document["warnings"]:
            print_line(warning)


def attributes_discover(
    file: Texts,
    text: TextColumn,
    most: Annotated[int, typer.Option("--max", min=1, help="Attributes to propose.")] = 12,
    out: Annotated[
        str | None, typer.Option(help="File for the part of whyrec.toml; default standard output.")
    ] = None,
    config: Config = None,
    is_json: Json = False,
) -> None:
    """Propose attributes from a corpus (English): names, seeds, counts, examples, to edit in whyrec.toml.

    Example: whyrec attributes discover reviews.csv --text body --max 12 --out attributes.toml
    """
    with explain_errors(is_json=is_json):
        from flows.desk.attributes import discover_file

        document = discover_file(file, text=text, most=most, out=out, config=config)
        if is_json:
            print_json(document)
        elif not document["attributes"]:
            print_line("no result: nothing is judged often enough in these texts")
        elif out is None:
            print_line(document["toml"].rstrip("\n"))
        else:
            print_table(
                f"Proposed from {document['read']:,} distinct ones of {document['texts']:,} texts, "
                f"written to {out}",
                ("attribute", "reviews", "seeds"),
                [
                    [row["name"], row["n_reviews"], ", ".join(row["seeds"][:6])]
                    for row in document["attributes"]
                ],
            )


def attributes_explain(
    text: Annotated[str, typer.Option(help="The text; with FILE, its column of texts.")],
    attributes: Attributes,
    file: Annotated[
        str | None, typer.Argument(help="CSV, JSON lines or Parquet file that the text is in.")
    ] = None,
    row: Annotated[
        int | None, typer.Option(min=0, help="Row of FILE, from 0; default the first.")
    ] = None,
    extractor: ExtractorName = None,
    teacher: Teacher = None,
    labels: TeachingLabels = None,
    columns: LabelColumns = None,
    key: Key = None,
    sample: Sample = None,
    config: Config = None,
    is_json: Json = False,
) -> None:
    """Where a text says what of attributes; of the distilled extractor also what each word did (log-odds).

    Examples: whyrec attributes explain --text "Great food, but so loud" --attributes food,noise

    whyrec attributes explain reviews.csv --text body --row 7 --attributes food --extractor distilled
    """
    with explain_errors(is_json=is_json):
        if file is None:
            refuse_options("of a FILE; name one, or leave that out", row=row, id=key)
        from flows.desk.attributes import explain_text, list_answers
        from flows.desk.texts import Teaching

        teaching = Teaching(teacher, labels, split_names(columns), sample)
        document = explain_text(
            text, path=file, row=row or 0, attributes=split_names(attributes), extractor=extractor,
            key=key, teaching=teaching, config=config,
        )  # fmt: skip
        if is_json:
            print_json(document)
            return
        print_line(document["marked"])
        print_table(
            f"Read by {document['extractor']}",
            ("attribute", "says", "confidence", "from"),
            list_answers(document),
        )
        if document["skipped"]:
            print_note(f"the text was not read: {document['skipped'][0]}")


def drivers(
    file: Annotated[str, typer.Argument(help="CSV, JSON lines or Parquet file of reviews.")],
    text: TextColumn,
    outcome: Annotated[str, typer.Option(help="Column of the outcome (a rating).")],
    attributes: Attributes,
    controls: Annotated[
        str | None, typer.Option(help="Columns that precede the review, a,b,c.")
    ] = None,
    cluster: Annotated[
        str | None, typer.Option(help="Column whose rows are not independent.")
    ] = None,
    gold: Annotated[
        str | None,
        typer.Option(
            help="File of labels for some 200 reviews chosen at random, to correct for misreading: review_id or row (from 0), and a column an attribute."
        ),
    ] = None,
    extractor: ExtractorName = None,
    config: Config = None,
    is_json: Json = False,
) -> None:
    """From a file of reviews to what moves the rating.

    With --gold the effects are those of what the reviews say, not of what was read: labels are
    Positive, Negative or unknown; row 0 is the first review. A distilled extractor is taught as the
    settings say.

    Example: whyrec drivers reviews.csv --text body --outcome stars --attributes food,service,noise --controls city,price
    Example: whyrec drivers reviews.csv --text body --outcome stars --attributes food --controls city --gold labels.csv
    Example: whyrec drivers reviews.csv --text body --outcome stars --attributes food --controls city --extractor distilled
    """
    with explain_errors(is_json=is_json):
        from flows.desk.agreement import tell_agreement
        from flows.desk.reading import find_drivers

        answer = find_drivers(
            file, text=text, outcome=outcome, attributes=split_names(attributes),
            controls=split_names(controls), cluster=cluster, gold=gold, extractor=extractor,
            config=config,
        )  # fmt: skip
        if is_json:
            print_json(answer)
            return
        show_drivers(answer, outcome)
        if answer["taught"]:
            print_line(tell_agreement(answer["taught"]))
        if answer["left_out"]:
            print_note(answer["left_out"])


def show_drivers(answer: Mapping[str, Any], outcome: str) -> None:
    """Effects as a table, and what speaks for and against each; what is said of all is said once."""
    rows = answer["drivers"]
    beside = {"uncorrected": "as read", "naive": "naive"}
    if not answer["corrected"]:
        del beside["uncorrected"]
    print_table(
        f"Effect on {outcome} of going from a complaint to praise (n = {answer['n']:,})",
        ("attribute", "effect", "interval", *beside.values(), "+ / -", "verdict"),
        [
            (
                row["attribute"],
                *_tell_effect(row),
                *("" if row[name] is None else row[name] for name in beside),
                f"{row['n_positive']:,} / {row['n_negative']:,}",
                row["verdict"],
            )
            for row in rows
        ],
    )
    told = [row["reasons"] for row in rows if row["estimate"] is not None] or [[]]
    shared = [reason for reason in told[0] if all(reason in reasons for reasons in told)]
    for reason in shared:
        print_line(f"- {reason}")
    for row in rows:
        for reason in row["reasons"]:
            if reason not in shared:
                print_line(f"- {row['attribute']}: {reason}")


def _tell_effect(row: Mapping[str, Any]) -> tuple[str, str]:
    if row["estimate"] is None:
        return "", ""
    low, high = tell_signed(row["ci_low"]), tell_signed(row["ci_high"])
    return tell_signed(row["estimate"]), f"{low} to {high}"
