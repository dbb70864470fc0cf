"""Commands on a file of texts that attack who reads it: `whyrec attack text`, `whyrec attack embedding`."""

from typing import Annotated

import typer

from flows.commands.options import Config, Json, split_names
from flows.console import (
    explain_errors,
    print_json,
    print_line,
    print_note,
    print_table,
    refuse_options,
)
from tasks.platform.errors import ConfigError


def register_text(room: typer.Typer) -> None:
    """Add the commands to the group `attack`."""
    room.command("text")(attack_text)
    room.command("embedding")(attack_embedding)


BESIDE_MODEL = (
    "of a reader of attributes; leave that out with --model, whose right labels --labels names"
)
Teacher = Annotated[
    str | None, typer.Option(help="Who teaches the distilled extractor: clauses, llm or labels.")
]
TeacherLabels = Annotated[
    str | None, typer.Option(help="File of labelled reviews that teach it; they are not attacked.")
]


def attack_text(
    file: Annotated[str, typer.Argument(help="CSV, JSON lines or Parquet file of texts.")],
    text: Annotated[str, typer.Option(help="Column of the text.")],
    attributes: Annotated[str | None, typer.Option(help="Attributes to attack, a,b,c.")] = None,
    model: Annotated[
        str | None,
        typer.Option(help="Folder of a text classifier (safetensors) to attack instead."),
    ] = None,
    attacks: Annotated[
        str | None,
        typer.Option(
            help="Of swaps, keyboard, misspellings, substitution, negation, flip, identity, "
            "paraphrase, back-translation, injection; default the first seven."
        ),
    ] = None,
    extractor: Annotated[
        str | None, typer.Option(help="clauses, llm or distilled; default that of the settings.")
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(help="File of right labels; with --model, the column of them."),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(help="Columns of labels, a,b,c or {}_label; texts read wrongly are skipped."),
    ] = None,
    key: Annotated[
        str | None, typer.Option("--id", help="Column of the texts that review_id is found in.")
    ] = None,
    teacher: Teacher = None,
    teacher_labels: TeacherLabels = None,
    harden: Annotated[
        bool,
        typer.Option("--harden", help="Teach a second probe with turned texts, and attack it too."),
    ] = False,
    fast: Annotated[
        bool,
        typer.Option(
            "--fast",
            help="Search on the encoder's int8 tier; its own confirms each hit. Not for llm.",
        ),
    ] = False,
    lm: Annotated[
        str | None,
        typer.Option(
            help="Causal language model that paraphrases and bounds perplexity, of texts as long as it looks at."
        ),
    ] = None,
    translate: Annotated[
        str | None, typer.Option(help="Folders of two translation models, there,back.")
    ] = None,
    misspellings: Annotated[
        str | None, typer.Option(help='File of lines "word slip slip"; default a packaged list.')
    ] = None,
    names: Annotated[
        str | None,
        typer.Option(help="JSON file of first names by group; default a packaged list."),
    ] = None,
    max_texts: Annotated[int | None, typer.Option(min=1, help="Texts to attack.")] = None,
    budget: Annotated[
        int | None, typer.Option(min=0, help="Texts that each attack may ask of the model.")
    ] = None,
    text_budget: Annotated[
        int | None, typer.Option(min=1, help="Texts it may ask for one text under attack.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same attack.")] = 0,
    out: Annotated[
        str | None, typer.Option(help="CSV or Parquet file for every attempt, before and after.")
    ] = None,
    config: Config = None,
    is_json: Json = False,
) -> None:
    """How easily is a reader of texts fooled? Attempted, skipped (why), succeeded and failed are apart.

    Examples: whyrec attack text reviews.csv --text body --attributes food,service --max-texts 200

    whyrec attack text reviews.csv --text body --model my-classifier --labels sentiment --attacks swaps,keyboard
    """
    with explain_errors(is_json=is_json):
        from flows.attacks.text import (
            TABLE,
            Order,
            attack_model,
            attack_reader,
            list_scores,
            tell_skipped,
        )
        from flows.desk.outputs import TABLES, check_output, write_table
        from flows.desk.texts import Teaching
        from tasks.robustness.text.recipes import EASY
        from tasks.robustness.text.run import Limits

        if (model is None) == (attributes is None):
            raise ConfigError("name what is attacked: --attributes, or --model with a folder")
        if model is not None:
            refuse_options(
                BESIDE_MODEL, harden=harden, fast=fast, extractor=extractor, columns=columns, id=key,
                teacher=teacher, teacher_labels=teacher_labels,
            )  # fmt: skip
        target = None if out is None else check_output(out, endings=TABLES)
        order = Order(
            split_names(attacks) or EASY, Limits(budget, text_budget), max_texts, seed, lm,
            split_names(translate), misspellings, names, harden, fast,
        )  # fmt: skip
        if model is not None:
            document, attempts = attack_model(
                file, text=text, model=model, labels=labels, order=order, config=config
            )
        else:
            teaching = Teaching(teacher, teacher_labels, split_names(columns), None)
            document, attempts = attack_reader(
                file, text=text, attributes=split_names(attributes), extractor=extractor,
                labels=labels, columns=split_names(columns), key=key, teaching=teaching,
                order=order, config=config,
            )  # fmt: skip
        if target is not None:
            write_table(attempts, target)
        if is_json:
            print_json(document)
            return
        print_table(
            f"{document['texts']:,} texts under attack", TABLE, list_scores(document["attacks"])
        )
        if document.get("hardened"):
            print_table("the same on the hardened probe", TABLE, list_scores(document["hardened"]))
        hardened = [
            f"hardened probe, {line}" for line in tell_skipped(document.get("hardened") or [])
        ]
        for line in (*tell_skipped(document["attacks"]), *hardened, *document["notes"]):
            print_line(line)
        if out is not None:
            print_note(f"every attempt is in {out}")


def attack_embedding(
    file: Annotated[
        str | None, typer.Argument(help="CSV, JSON lines or Parquet file of texts.")
    ] = None,
    text: Annotated[str | None, typer.Option(help="Column of the text.")] = None,
    attributes: Annotated[
        str | None, typer.Option(help="Attributes whose probe is attacked, a,b,c.")
    ] = None,
    target: Annotated[
        str,
        typer.Option(
            help="probe (reads attributes), tower (rates by a text, see recommend text), or recommender "
            "(text features of items in the newest night's, or in --model)."
        ),
    ] = "probe",
    rating: Annotated[
        str | None, typer.Option(help="Column of the rating, for --target tower.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Recommender in a file, for --target recommender.")
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="Source in the warehouse, for --target recommender.")
    ] = None,
    methods: Annotated[str, typer.Option(help="fgsm, pgd or both.")] = "fgsm,pgd",
    epsilons: Annotated[
        str,
        typer.Option(
            help="How far vectors move. A text has two of length 1, moved together and freely: length "
            "is not kept. Of a tower's states it is a share of their mean length."
        ),
    ] = "0.05,0.1,0.2,0.4",
    norm: Annotated[str, typer.Option(help="l2 or linf.")] = "l2",
    harden: Annotated[
        float | None,
        typer.Option(help="Also teach a probe under attacks of this size, and show it beside."),
    ] = None,
    labels: Annotated[str | None, typer.Option(help="File of right labels.")] = None,
    columns: Annotated[
        str | None, typer.Option(help="Columns of labels, a,b,c or {}_label.")
    ] = None,
    key: Annotated[
        str | None, typer.Option("--id", help="Column of the texts that review_id is found in.")
    ] = None,
    teacher: Teacher = None,
    teacher_labels: TeacherLabels = None,
    max_texts: Annotated[int | None, typer.Option(min=1, help="Texts to attack.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the random starts of pgd.")] = 0,
    config: Config = None,
    is_json: Json = False,
) -> None:
    """How far must vectors move before what reads them answers otherwise? Accuracy or error over epsilon.

    Examples: whyrec attack embedding reviews.csv --text body --attributes food --columns "{}_label" --harden 0.1

    whyrec attack embedding reviews.csv --text body --target tower --rating stars --max-texts 400

    whyrec attack embedding --target recommender
    """
    with explain_errors(is_json=is_json):
        of_probe = {
            "attributes": attributes, "harden": harden, "labels": labels, "columns": columns,
            "id": key, "teacher": teacher, "teacher_labels": teacher_labels,
        }  # fmt: skip
        of_item = {"model": model, "source": source}
        if target == "tower":
            refuse_options(
                "of other targets; leave that out with --target tower", **of_probe, **of_item
            )
        elif target == "recommender":
            refuse_options(
                "of texts in a FILE; leave that out with --target recommender, whose items have theirs",
                file=file, text=text, rating=rating, max_texts=max_texts, **of_probe,
            )  # fmt: skip
        elif target == "probe":
            refuse_options(
                "of other targets; leave that out with --target probe", rating=rating, **of_item
            )
        if target != "probe":
            show_predictor(
                target, file, text, rating, model, source, split_names(methods),
                split_numbers(epsilons), norm, max_texts, seed, config, is_json=is_json,
            )  # fmt: skip
            return
        if file is None or text is None or attributes is None:
            raise ConfigError("--target probe needs a FILE, --text and --attributes")
        from flows.attacks.embedding import CURVES, attack_probe, list_curves, tell_labels
        from flows.desk.texts import Teaching

        document = attack_probe(
            file, text=text, attributes=split_names(attributes), methods=split_names(methods),
            epsilons=split_numbers(epsilons), norm=norm, harden=harden, labels=labels,
            columns=split_names(columns), key=key,
            teaching=Teaching(teacher, teacher_labels, split_names(columns), None),
            most_texts=max_texts, seed=seed, config=config,
        )  # fmt: skip
        if is_json:
            print_json(document)
            return
        lengths = ", ".join({f"{row['attribute']} {row['length']:.2f}": 0 for row in document["curves"]
                             if row["length"] is not None})  # fmt: skip
        title = f"vectors of {document['texts']:,} texts, mean length: {lengths or 'none'}"
        print_table(title, CURVES, list_curves(document))
        for line in tell_labels(document):
            print_line(line)
        for row in document["curves"]:
            if row["reason"]:
                print_line(f"{row['attribute']}, {row['method']}: skipped, {row['reason']}")


def split_numbers(text: str) -> tuple[float, ...]:
    """A comma-separated option as numbers; raises ConfigError for anything else."""
    try:
        return tuple(float(part) for part in split_names(text))
    except ValueError:
        raise ConfigError(f"{text!r} are no numbers; write them as 0.05,0.1") from None


def show_predictor(
    target: str,
    file: str | None,
    text: str | None,
    rating: str | None,
    model: str | None,
    source: str | None,
    methods: tuple[str, ...],
    epsilons: tuple[float, ...],
    norm: str,
    max_texts: int | None,
    seed: int,
    config: str | None,
    *,
    is_json: bool,
) -> None:
    """Attack what predicts ratings: a text tower, or the text features of a recommender's items."""
    from flows.attacks.tower import FEATURES, TOWER, attack_item_features, attack_tower, list_points

    if target == "tower":
        if file is None or text is None or rating is None:
            raise ConfigError("--target tower needs a FILE, --text and --rating")
        document = attack_tower(
            file, text=text, rating=rating, methods=methods, epsilons=epsilons, norm=norm,
            relevant=4.0, most_texts=max_texts, seed=seed, config=config,
        )  # fmt: skip
    elif target == "recommender":
        document = attack_item_features(
            model=model, source=source, methods=methods, epsilons=epsilons, norm=norm, seed=seed,
            config=config,
        )  # fmt: skip
    else:
        raise ConfigError(f"--target is {target!r}; use probe, tower or recommender")
    if is_json:
        print_json(document)
        return
    is_tower = target == "tower"
    title = (
        f"token states of {document['texts']:,} texts, moved by epsilon of their mean length"
        if is_tower
        else f"text features of {document['items']:,} items, one item moved at a time"
    )
    print_table(title, TOWER if is_tower else FEATURES, list_points(document))
