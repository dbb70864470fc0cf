"""Drawings: whole, escaped, marked, and nothing outside the frame."""

import re
from xml.etree import ElementTree

import pytest

from tasks.effects.graph.drawing import draw_graph
from tasks.effects.graph.layout import lay_out_narrow, lay_out_wide
from tasks.effects.graph.model import Edge, Suggestion
from tests.effects.graph.worlds import draw_world, make_graph, parse_edges

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "<script>alert(1)</script>\"'&\u202e\x00"


def draw(graph, layout="wide", **more):
    more = {"title": "A graph", "description": "Of columns."} | more
    return str(draw_graph(graph, layout=layout, **more))


def suggest(source, target, reason="words"):
    return Edge(
        source,
        target,
        "-->",
        stability=0.1,
        origin="prior",
        suggestion=Suggestion("toy", 0.7, reason),
    )


@pytest.mark.parametrize("layout", ["wide", "narrow"])
def test_hostile_names_and_reasons_are_escaped(layout):
    edges = [Edge(HOSTILE, "b", "-->", stability=0.5), suggest(HOSTILE, "c", reason=HOSTILE)]
    svg = draw(make_graph(edges), layout, title=HOSTILE, description=HOSTILE, roles={"b": HOSTILE})
    root = ElementTree.fromstring(svg)
    assert root.tag == f"{SVG}svg"
    assert not list(root.iter(f"{SVG}script"))
    assert "<script" not in svg
    assert "\u202e" not in svg


@pytest.mark.parametrize("layout", ["wide", "narrow"])
def test_suggested_edges_are_dashed_and_the_datas_are_not(layout):
    svg = draw(make_graph([Edge("a", "b", "-->", stability=0.9), suggest("a", "c")]), layout)
    assert svg.count('stroke-dasharray="5 4"') == 2  # the edge and its line in the legend
    assert "only suggested, by toy" in svg
    assert "90%" in svg
    assert "10%</text>" not in svg
    assert "only suggested" not in draw(make_graph([Edge("a", "b", "-->", stability=0.9)]), layout)


@pytest.mark.parametrize(
    ("ends", "heads", "circles", "words"),
    [
        ("-->", 1, 0, None),
        ("<->", 2, 0, "something hidden"),
        ("o->", 1, 1, "this end is not known"),
        ("o-o", 0, 2, "this end is not known"),
        ("---", 0, 0, "direction is not known"),
    ],
)
def test_ends_are_drawn_as_they_are(ends, heads, circles, words):
    svg = draw(make_graph([Edge("a", "b", ends)]))
    assert svg.count("-4.5v9z") == heads
    assert svg.count("<circle") == circles
    assert words is None or words in svg


def test_stability_widens_the_line():
    def width(stability):
        svg = draw(make_graph([Edge("a", "b", "-->", stability=stability)]))
        return float(re.search(r'stroke="var\(--ink, #111\)" stroke-width="([\d.]+)"', svg)[1])

    assert width(1.0) > width(0.5) > width(0.1)


def test_tiers_stand_from_left_to_right_and_from_top_to_bottom():
    graph = make_graph(parse_edges("a --> b, b --> c, a --> c"), tiers={"a": 0, "b": 1, "c": 2})
    wide = {box.name: box for box in lay_out_wide(graph).boxes}
    narrow = {box.name: box for box in lay_out_narrow(graph).boxes}
    assert wide["a"].x < wide["b"].x < wide["c"].x
    assert narrow["a"].y < narrow["b"].y < narrow["c"].y


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("lay_out", [lay_out_wide, lay_out_narrow])
def test_boxes_do_not_touch_and_stay_inside(seed, lay_out):
    world = draw_world(seed, size=12, hidden=0, density=0.3)
    tiers = {name: index // 3 for index, name in enumerate(world.names)}
    graph = make_graph(world.true_graph().edges, names=world.names, tiers=tiers)
    picture = lay_out(graph)
    assert len(picture.routes) == len(graph.edges)
    for i, box in enumerate(picture.boxes):
        assert box.x >= 0
        assert box.x + box.width <= picture.width
        assert box.y + box.height <= picture.height
        for other in picture.boxes[:i]:
            apart_x = box.x >= other.x + other.width or other.x >= box.x + box.width
            apart_y = box.y >= other.y + other.height or other.y >= box.y + box.height
            assert apart_x or apart_y
    for _, route in picture.routes:
        numbers = [float(one) for one in re.findall(r"H([\d.]+)", route.path)]
        assert all(0 <= one <= picture.width for one in numbers)


def test_a_long_line_passes_between_the_boxes_of_a_layer():
    tiers = {"a": 0, "b": 1, "c": 2}
    graph = make_graph(parse_edges("a --> b, b --> c, a --> c"), tiers=tiers)
    picture = lay_out_wide(graph)
    box = next(box for box in picture.boxes if box.name == "b")
    route = next(route for edge, route in picture.routes if edge.show() == "a --> c")
    points = [tuple(map(float, pair)) for pair in re.findall(r"(-?[\d.]+) (-?[\d.]+)", route.path)]
    passing = [y for x, y in points if box.x - 1 <= x <= box.x + box.width + 1]
    assert passing
    assert all(y < box.y or y > box.y + box.height for y in passing)


def test_a_graph_without_edges_says_so():
    svg = draw(make_graph([], names=["a", "b"]))
    assert "no edges" in svg
