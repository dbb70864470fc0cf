"""`whyrec effects graph`: which columns of a table cause which, drawn."""

from typing import Annotated, Any, Literal

import typer

from flows.commands.options import Config, Json, split_names
from flows.console import explain_errors, print_json, print_line, print_table

MethodName = Literal["pc", "fci", "ges"]
LayoutName = Literal["wide", "narrow"]


def register(app: typer.Typer) -> None:
    """Add the command `graph` to `app`."""
    app.command("graph")(effects_graph)


def effects_graph(
    table: Annotated[
        str, typer.Argument(help="CSV, TSV, Parquet or Stata file, or a table as clean.items.")
    ],
    tiers: Annotated[
        str | None,
        typer.Option(help="What comes first, 'a,b;c;d': nothing points back to an earlier tier."),
    ] = None,
    columns: Annotated[
        str | None, typer.Option(help="Columns of the graph, a,b,c; default those of the tiers.")
    ] = None,
    treatment: Annotated[
        str | None, typer.Option(help="Columns whose effect is asked for, a,b.")
    ] = None,
    outcome: Annotated[str | None, typer.Option(help="Column of the outcome.")] = None,
    method: Annotated[
        MethodName, typer.Option(help="pc, ges: nothing hidden; fci allows for hidden causes.")
    ] = "pc",
    cluster: Annotated[
        str | None, typer.Option(help="Column whose rows are not independent.")
    ] = None,
    prior: Annotated[
        str | None, typer.Option(help="JSON file of suggested edges; they are marked as such.")
    ] = None,
    ask_llm: Annotated[
        bool,
        typer.Option(
            "--ask-llm", help="Let the language model of extract.llm suggest edges from the names."
        ),
    ] = False,
    use_prior: Annotated[
        bool, typer.Option("--use-prior", help="Let adjustment sets believe suggested edges.")
    ] = False,
    out: Annotated[str | None, typer.Option(help="SVG file to draw the graph to.")] = None,
    layout: Annotated[LayoutName, typer.Option(help="Drawing for a page or a telephone.")] = "wide",
    alpha: Annotated[float, typer.Option(help="Level of the tests of pc and fci.")] = 0.01,
    bootstraps: Annotated[int, typer.Option(help="Resamples that tell how stable edges are.")] = 50,
    min_stability: Annotated[
        float, typer.Option(help="Share of resamples an edge must be seen in.")
    ] = 0.5,
    max_rows: Annotated[int, typer.Option(min=30, help="Rows to search, drawn at random.")] = 5_000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the resamples.")] = 0,
    config: Config = None,
    is_json: Json = False,
) -> None:
    """Search a table for a causal graph, and name what to adjust for.

    Example: whyrec effects graph trial.csv --tiers "age,income;price;clicks" --treatment price --outcome clicks --out graph.svg
    """
    with explain_errors(is_json=is_json):
        from flows.desk.graphs import graph_file

        document = graph_file(
            table,
            columns=list(split_names(columns)),
            tiers=[list(split_names(tier)) for tier in tiers.split(";")] if tiers else [],
            method=method,
            outcome=outcome,
            treatments=list(split_names(treatment)),
            cluster=cluster,
            prior=prior,
            ask_llm=ask_llm,
            config=config,
            use_prior=use_prior,
            out=out,
            layout=layout,
            alpha=alpha,
            bootstraps=bootstraps,
            min_stability=min_stability,
            max_rows=max_rows,
            seed=seed,
        )
        if is_json:
            print_json(document)
        else:
            show_graph(document)


def show_graph(document: dict[str, Any]) -> None:
    """The graph as a table of edges, then what to adjust for, then notes."""
    rows = [
        (
            f"{edge['source']} {edge['ends']} {edge['target']}",
            "" if edge["stability"] is None else f"{edge['stability']:.0%}",
            edge["origin"] if edge["origin"] == "data" else _name_origin(edge),
        )
        for edge in document["edges"]
    ]
    print_table(
        f"{document['method']} on {document['n']:,} rows", ("edge", "stability", "origin"), rows
    )
    for one in document["adjustments"]:
        question = f"{one['treatment']} → {one['outcome']}"
        if one["is_identified"]:
            names = ", ".join(one["adjust_for"]) or "nothing"
            print_line(f"{question}: adjust for {names} ({one['reason']})")
        else:
            print_line(f"{question}: {one['reason']}")
        for never in one["never_adjust_for"]:
            print_line(f"  never adjust for {never['column']}: {never['why']}")
    for note in document["notes"]:
        print_line(f"- {note}")
    if document["out"]:
        print_line(f"drawn: {document['out']}")


def _name_origin(edge: dict[str, Any]) -> str:
    if edge["origin"] == "both":
        return f"data, and suggested by {edge['suggested_by']}"
    return f"only suggested by {edge['suggested_by']}"
