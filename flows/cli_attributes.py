"""Commands on files of texts: what they say of attributes, and what of it moves the outcome."""

from typing import Annotated

import typer

from flows.console import explain_errors, print_json, print_table
from flows.options import Config, Json, split_names


def register(app: typer.Typer, attributes_app: typer.Typer) -> None:
    """Add `drivers` to the command and the others to its group `attributes`."""
    app.command()(drivers)
    attributes_app.command("extract")(attributes_extract)


def attributes_extract(
    file: Annotated[str, typer.Argument(help="CSV, JSON lines or Parquet file of texts.")],
    text: Annotated[str, typer.Option(help="Column of the text.")],
    attributes: Annotated[str, typer.Option(help="Attributes to read, a,b,c.")],
    extractor: Annotated[
        str, typer.Option(help="clauses (words and meaning) or llm (a language model).")
    ] = "clauses",
    out: Annotated[
        str | None, typer.Option(help="CSV or Parquet file to write; default standard output.")
    ] = None,
    config: Config = None,
    is_json: Json = False,
) -> None:
    """Read attributes out of texts: mentioned or not, polarity, confidence, and the words it was read from.

    Example: whyrec attributes extract reviews.csv --text body --attributes price,battery --out read.csv
    """
    with explain_errors(is_json=is_json):
        from flows.tables import extract_file

        extract_file(
            file, text=text, attributes=split_names(attributes), extractor=extractor, out=out,
            config=config, is_json=is_json,
        )  # fmt: skip


def drivers(
    file: Annotated[str, typer.Argument(help="CSV, JSON lines or Parquet file of reviews.")],
    text: Annotated[str, typer.Option(help="Column of the text.")],
    outcome: Annotated[str, typer.Option(help="Column of the outcome (a rating).")],
    attributes: Annotated[str, typer.Option(help="Attributes to read, a,b,c.")],
    controls: Annotated[
        str | None, typer.Option(help="Columns that precede the review, a,b,c.")
    ] = None,
    cluster: Annotated[
        str | None, typer.Option(help="Column whose rows are not independent.")
    ] = None,
    gold: Annotated[
        str | None,
        typer.Option(
            help="File of labels for some 200 reviews chosen at random, to correct for misreading: review_id or row, and a column an attribute."
        ),
    ] = None,
    config: Config = None,
    is_json: Json = False,
) -> None:
    """From a file of reviews to what moves the rating.

    With --gold the effects are those of what the reviews say, not of what was read: labels are
    Positive, Negative or unknown.

    Example: whyrec drivers reviews.csv --text body --outcome stars --attributes food,service,noise
    Example: whyrec drivers reviews.csv --text body --outcome stars --attributes food --gold labels.csv
    """
    with explain_errors(is_json=is_json):
        from flows.tables import find_drivers

        answer = find_drivers(
            file, text=text, outcome=outcome, attributes=split_names(attributes),
            controls=split_names(controls), cluster=cluster, gold=gold, config=config,
        )  # fmt: skip
        if is_json:
            print_json(answer)
            return
        names = ["attribute", "estimate", "ci_low", "ci_high", "naive", "n_positive", "n_negative"]
        names[4:4] = ["uncorrected"] if answer["corrected"] else []
        names.append("verdict")
        print_table(
            f"Effect on {outcome} of going from a complaint to praise (n = {answer['n']:,})",
            names,
            [[row[name] for name in names] for row in answer["drivers"]],
        )
