"""Graphs: drawings are let in whole or not at all, suggested edges are marked as such."""

import pytest

from tasks.effects.graph.drawing import draw_graph
from tasks.effects.graph.model import Edge, Graph, Node, Suggestion
from tasks.report.graphs import MAX_DRAWING, accept_drawing
from tasks.report.render import render_html, render_json
from tests.report.conftest import SVG, make_graph, make_night
from tests.report.page import Page, assert_inert

HEAD = '<svg xmlns="http://www.w3.org/2000/svg" class="chart">'
ATTACKS = (
    "", "no drawing", f"  {HEAD}</svg>", f"{HEAD}<script>alert(1)</script></svg>",
    f"{HEAD}<SCRIPT>alert(1)</SCRIPT></svg>", f'{HEAD}<g onload="alert(1)"/></svg>',
    f'{HEAD}<g ONLOAD ="alert(1)"/></svg>', f'{HEAD}<a href="javascript:alert(1)"/></svg>',
    f'{HEAD}<a xlink:href="#x"/></svg>', f"{HEAD}<foreignObject/></svg>",
    f"{HEAD}<style>*{{}}</style></svg>", f'{HEAD}<rect style="x"/></svg>',
    f'{HEAD}<rect fill="url(#a)"/></svg>', f'{HEAD}<rect fill="URL (//evil)"/></svg>',
    f'{HEAD}<image width="1"/></svg>', f"{HEAD}<use/></svg>", f'{HEAD}<animate x="1"/></svg>',
    f'{HEAD}<g id="main"/></svg>', f'{HEAD}<g class="alarm"/></svg>',
    f"{HEAD}<title><g/></title></svg>", f"{HEAD}<desc><rect/></desc></svg>",
    f"{HEAD}<title><![CDATA[<img src=x onerror=alert(1)>]]></title></svg>",
    f"{HEAD}<!-- --><g/></svg>", f"{HEAD}<?php ?></svg>", f"{HEAD}<g></svg>", f"{HEAD}</svg><p/>",
    f"{HEAD}{HEAD}</svg></svg>", f"{HEAD}<text>\u202eabc</text></svg>",
    f"{HEAD}<text>\ud800</text></svg>", f"{HEAD}<text>&nbsp;</text></svg>",
    "<svg xmlns='http://www.w3.org/1999/xhtml'><p/></svg>", "<svgx/>",
    f"{HEAD}<text>{'x' * MAX_DRAWING}</text></svg>",
)  # fmt: skip


@pytest.mark.parametrize("text", ATTACKS, ids=lambda text: ascii(text[54:84]))
def test_a_drawing_that_is_not_of_our_kind_is_refused_whole(text: str) -> None:
    assert accept_drawing(text) is None


@pytest.mark.parametrize("text", ["", ATTACKS[3], ATTACKS[5], ATTACKS[21]])
def test_a_refused_drawing_leaves_its_edges(text: str) -> None:
    html = render_html(make_night(graphs=[make_graph(svg_narrow=text)]))
    assert_inert(Page(html), html)
    assert "wide graph" not in html
    assert "not of the kind this page lets in" in html


def test_our_own_drawings_are_let_in() -> None:
    graph = Graph(
        nodes=(Node("<script>a</script>", 0), Node("b & c", 1), Node("d", 1)),
        edges=(
            Edge("<script>a</script>", "b & c", "-->", stability=0.9),
            Edge("b & c", "d", "o->", origin="prior",
                 suggestion=Suggestion("model", 0.7, '<b onclick="x">"why"</b>')),
        ),
        method="fci", n=100,
    )  # fmt: skip
    for edges in (graph.edges[:1], graph.edges):
        plain = Graph(graph.nodes, edges, graph.method, graph.n)
        drawing = str(draw_graph(plain, layout="wide", title="t", description="d"))
        has_handler = "onclick=" in drawing  # a name that looks like a handler: the table stands
        assert (accept_drawing(drawing) is None) is has_handler


def test_the_drawing_stands_wide_and_narrow() -> None:
    html = render_html(make_night())
    assert '<div class="wide"><svg xmlns="http://www.w3.org/2000/svg"' in html
    assert "<title>wide graph</title>" in html
    assert "<title>narrow graph</title>" in html


def test_suggested_edges_are_marked_in_words() -> None:
    html = render_html(make_night())
    table = html.split('id="edges-1"')[1].split("</table>")[0]
    rows = table.split("<tr>")[2:]
    marked = [row for row in rows if "only suggested by a language model" in row]
    assert len(rows) == 3
    assert len(marked) == 1
    assert "mood" in marked[0]
    assert "<strong" in marked[0]
    assert "94%" not in marked[0]
    assert "one of them only suggested by a language model" in Page(html).text


def test_adjustment_sets_are_a_table_and_what_is_not_identified_is_said() -> None:
    table = render_html(make_night()).split('id="adjust-1"')[1].split("</table>")[0]
    price, mood = table.split("<tr>")[2:]
    assert "<bdi>brand</bdi>" in price
    assert "it closes every back door" in price
    assert "cannot be read off this graph" in mood


NO_PATH = "The search found no path to rating from price, whose effect is credible above."


@pytest.mark.parametrize(
    ("edges", "effect", "is_told"),
    [
        ([], {}, True),
        ([("price", "rating", "directed")], {}, False),
        ([("rating", "price", "directed")], {}, True),
        ([("rating", "price", "undirected")], {}, False),
        ([("rating", "price", "partial")], {}, False),
        ([("price", "rating", "bidirected")], {}, True),
        ([("price", "mood", "directed"), ("mood", "rating", "directed")], {}, False),
        ([("price", "mood", "directed"), ("rating", "mood", "directed")], {}, True),
        ([], {"verdict": "weak"}, False),
        ([], {"ci_low": -0.1}, False),
        ([], {"source": "other"}, False),
        ([], {"attribute": "brand"}, False),
    ],
)
def test_a_credible_effect_that_the_graph_misses_is_told(
    edges: list[tuple[str, str, str]], effect: dict[str, object], is_told: bool
) -> None:
    graph = make_graph(
        source="sample",
        edges=[{"source": a, "target": b, "kind": kind} for a, b, kind in edges],
        adjustments=[{"treatment": "price", "outcome": "rating", "is_identified": True}],
    )
    row = {
        "source": "sample", "attribute": "price", "estimate": 0.4, "ci_low": 0.3, "ci_high": 0.5,
        "verdict": "credible", **effect,
    }  # fmt: skip
    html = render_html(make_night(graphs=[graph], effects=[row], previous_effects=[]))
    assert (NO_PATH in Page(html).text) is is_told


@pytest.mark.parametrize("edges", [[], [("rating'", "rating")]])
def test_an_attribute_that_has_a_prime_in_the_graph_is_missed_there_as_any_other(
    edges: list[tuple[str, str]],
) -> None:
    graph = make_graph(
        source="sample",
        edges=[{"source": a, "target": b, "kind": "directed"} for a, b in edges],
        adjustments=[{"treatment": "rating'", "outcome": "rating", "is_identified": True}],
    )
    row = {
        "source": "sample", "attribute": "rating", "estimate": 0.4, "ci_low": 0.3, "ci_high": 0.5,
        "verdict": "credible",
    }  # fmt: skip
    html = render_html(make_night(graphs=[graph], effects=[row], previous_effects=[]))
    assert (NO_PATH.replace("price", "rating") in Page(html).text) is not bool(edges)


def test_an_empty_adjustment_set_needs_nothing() -> None:
    adjustment = {"treatment": "a", "outcome": "b", "is_identified": True, "adjust_for": []}
    html = render_html(make_night(graphs=[make_graph(adjustments=[adjustment])]))
    assert "nothing is needed" in html


def test_a_graph_without_edges_or_drawing_says_so() -> None:
    bare = {"source": "s", "method": "pc", "n": 50, "svg_wide": None, "svg_narrow": None}
    html = render_html(make_night(graphs=[bare]))
    assert "no edges, the data show no relation" in html
    assert "lets in" not in html
    assert 'id="edges-1"' not in html


def test_a_night_without_a_graph_has_no_graph() -> None:
    assert "causes what" not in Page(render_html(make_night(graphs=[]))).text


def test_the_json_holds_edges_and_sets_but_no_markup() -> None:
    content = render_json(make_night())
    assert '"adjust_for"' in content
    assert '"origin": "prior"' in content
    assert "<svg" not in content


def test_a_very_large_graph_is_cut_and_says_so() -> None:
    edges = [{"source": f"a{n}", "target": "b"} for n in range(3_000)]
    html = render_html(make_night(graphs=[make_graph(edges=edges)]))
    assert "440 further edges left to the JSON" in html
    assert SVG.format("wide graph").strip() in html
