"""Where boxes and lines of a drawn graph go: layers from left to right, or one list with brackets.

Wide: nodes stand in layers, ordered so that few lines cross (barycentres: Sugiyama, Tagawa and Toda,
IEEE Trans. Systems, Man and Cybernetics 11, 1981); a line that passes a layer gets a place of its own in it.
Narrow: nodes stand under one another, and every line has a lane to their right.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import networkx as nx

from tasks.effects.graph.model import Edge, Graph

MAX_LAYERS: Final = 6
MAX_COLUMNS: Final = 10
_WIDE: Final = 880
_NARROW: Final = 340
_BOX: Final = 36
_PITCH: Final = 60
_PASS: Final = 30
_TOP: Final = 40
_LETTER: Final = 7.4
_SWEEPS: Final = 12

Slot = str | tuple[int, int]
"""A node's name, or (edge, layer): the place where an edge passes a layer."""


@dataclass(frozen=True)
class Point:
    """A place, in pixels from the upper left."""

    x: float
    y: float


@dataclass(frozen=True)
class Box:
    """A node's rectangle; `letters` of its name fit in."""

    name: str
    x: float
    y: float
    width: float
    height: float
    letters: int


@dataclass(frozen=True)
class Route:
    """A line from the edge's source to its target: SVG path, ends, and sides (1 right, -1 left)."""

    path: str
    start: Point
    start_side: int
    end: Point
    end_side: int
    label: Point


@dataclass(frozen=True)
class Picture:
    """Everything placed, without the legend."""

    width: int
    height: int
    boxes: tuple[Box, ...]
    routes: tuple[tuple[Edge, Route], ...]
    headings: tuple[tuple[Point, str], ...]


def lay_out_wide(graph: Graph) -> Picture:
    """Tiers from left to right; within a tier what causes stands left of what it causes."""
    layers = assign_layers(graph)
    count = max(layers.values()) + 1
    if count == 1 or count > MAX_COLUMNS:
        return _lay_out_list(graph, _WIDE)
    slots = order_slots(graph, layers, count)
    places = _place_slots(slots)
    height = _TOP + int(max(sum(map(_height, column)) for column in slots)) + 8
    longest = max(map(len, graph.names))
    room = _WIDE - 24 - _margin(graph, layers, count - 1)
    gap = room / count
    width = max(60.0, min(longest * _LETTER + 20, 170.0, gap - 58))
    left = [12 + index * (room - width) / (count - 1) for index in range(count)]
    boxes = {
        name: Box(
            name, left[layer], places[name] - _BOX / 2, width, _BOX, int((width - 12) / _LETTER)
        )
        for name, layer in layers.items()
    }
    routes = _route_wide(graph, layers, boxes, places, left)
    first = {node.tier: layers[node.name] for node in reversed(graph.nodes)}
    for node in graph.nodes:
        first[node.tier] = min(first[node.tier], layers[node.name])
    headings = tuple((Point(left[at], 18), f"tier {tier + 1}") for tier, at in first.items())
    return Picture(_WIDE, height, tuple(boxes.values()), routes, headings)


def _margin(graph: Graph, layers: dict[str, int], last: int) -> float:
    """Room right of the last layer for lines between its own nodes."""
    inside = sum(layers[edge.source] == layers[edge.target] == last for edge in graph.edges)
    return min(34.0 + 14 * inside, 120.0) if inside else 0.0


def assign_layers(graph: Graph) -> dict[str, int]:
    """Layer of each node: by tier, then by the longest path to it inside its tier, if room allows."""
    tiers = sorted({node.tier for node in graph.nodes})
    inside = dict.fromkeys(graph.names, 0)
    tier = {node.name: node.tier for node in graph.nodes}
    for depths in (_find_depths(graph, tier), inside):
        layers: dict[str, int] = {}
        start = 0
        for one in tiers:
            members = [name for name in graph.names if tier[name] == one]
            layers |= {name: start + depths[name] for name in members}
            start += max(depths[name] for name in members) + 1
        if start <= MAX_LAYERS:
            break
    return layers


def _find_depths(graph: Graph, tier: dict[str, int]) -> dict[str, int]:
    order: nx.DiGraph = nx.DiGraph()
    order.add_nodes_from(graph.names)
    for edge in graph.edges:
        a, b = edge.source, edge.target
        if tier[a] == tier[b] and not nx.has_path(order, b, a):
            order.add_edge(a, b)
    depths: dict[str, int] = {}
    for name in nx.topological_sort(order):
        depths[name] = max((depths[one] + 1 for one in order.predecessors(name)), default=0)
    return depths


def order_slots(graph: Graph, layers: dict[str, int], count: int) -> list[list[Slot]]:
    """Slots of each layer from top to bottom, in the order with the fewest crossings that we met."""
    slots: list[list[Slot]] = [
        [name for name in graph.names if layers[name] == i] for i in range(count)
    ]
    links: list[tuple[Slot, Slot]] = []
    for index, edge in enumerate(graph.edges):
        chain = _chain(index, edge, layers)
        links += list(itertools.pairwise(chain))
        for slot in chain[1:-1]:
            slots[slot[1]].append(slot)  # type: ignore[index]
    best, fewest = [list(column) for column in slots], _count_crossings(slots, links)
    for sweep in range(_SWEEPS):
        order = range(1, count) if sweep % 2 == 0 else range(count - 2, -1, -1)
        for index in order:
            _sort_layer(slots, links, index, towards=-1 if sweep % 2 == 0 else 1)
        crossings = _count_crossings(slots, links)
        if crossings < fewest:
            best, fewest = [list(column) for column in slots], crossings
    return best


def _chain(index: int, edge: Edge, layers: dict[str, int]) -> list[Slot]:
    """Slots that an edge visits from left to right."""
    a, b = sorted((edge.source, edge.target), key=lambda name: layers[name])
    if layers[a] == layers[b]:
        return []
    return [a, *((index, layer) for layer in range(layers[a] + 1, layers[b])), b]


def _sort_layer(
    slots: list[list[Slot]], links: Sequence[tuple[Slot, Slot]], index: int, *, towards: int
) -> None:
    at = {
        slot: place / max(len(slots[index + towards]) - 1, 1)
        for place, slot in enumerate(slots[index + towards])
    }
    centre = {}
    for place, slot in enumerate(slots[index]):
        near = [
            at[a if b == slot else b] for a, b in links if slot in (a, b) and (a in at or b in at)
        ]
        own = place / max(len(slots[index]) - 1, 1)
        centre[slot] = sum(near) / len(near) if near else own
    slots[index].sort(key=lambda slot: centre[slot])


def _count_crossings(slots: Sequence[Sequence[Slot]], links: Sequence[tuple[Slot, Slot]]) -> int:
    at = {slot: (layer, place) for layer, row in enumerate(slots) for place, slot in enumerate(row)}
    spans = [(at[a][0], at[a][1], at[b][1]) for a, b in links]
    return sum(
        1
        for i, (layer, a, b) in enumerate(spans)
        for other, c, d in spans[:i]
        if layer == other and (a - c) * (b - d) < 0
    )


def _height(slot: Slot) -> int:
    return _PITCH if isinstance(slot, str) else _PASS


def _place_slots(slots: Sequence[Sequence[Slot]]) -> dict[Slot, float]:
    """Middle of each slot, layers centred on one another."""
    tallest = max(sum(map(_height, column)) for column in slots)
    places: dict[Slot, float] = {}
    for column in slots:
        y = _TOP + (tallest - sum(map(_height, column))) / 2
        for slot in column:
            places[slot] = y + _height(slot) / 2
            y += _height(slot)
    return places


def _route_wide(
    graph: Graph,
    layers: dict[str, int],
    boxes: dict[str, Box],
    places: dict[Slot, float],
    left: Sequence[float],
) -> tuple[tuple[Edge, Route], ...]:
    ports = _spread_ports(graph, layers, boxes, places)
    lanes = _assign_wide_lanes(graph, layers, ports)
    beyond = [*left[1:], _WIDE + 8.0]
    routes = []
    taken: list[Point] = []
    for index, edge in enumerate(graph.edges):
        chain = _chain(index, edge, layers)
        start, end = ports[(index, edge.source)], ports[(index, edge.target)]
        if not chain:
            room = beyond[layers[edge.source]] - start.x - 48
            step = min(14.0, room / max(max(lanes.values()), 1))
            route = _bracket(start, end, start.x + 20 + lanes[index] * step)
        else:
            width = boxes[edge.source].width
            passes = [
                Point(left[layer] + side * width, places[slot])
                for slot, layer in ((one, one[1]) for one in chain[1:-1] if isinstance(one, tuple))
                for side in (0, 1)
            ]
            is_forward = chain[0] == edge.source
            points = [start, *passes, end] if is_forward else [end, *passes, start]
            side = 1 if is_forward else -1
            route = Route(_curve(points), start, side, end, -side, _free_label(points, taken))
        taken.append(route.label)
        routes.append((edge, route))
    return tuple(routes)


def _assign_wide_lanes(
    graph: Graph, layers: dict[str, int], ports: dict[tuple[int, str], Point]
) -> dict[int, int]:
    """A lane for each edge between nodes of one layer."""
    spans: dict[int, dict[int, tuple[float, float]]] = {}
    for index, edge in enumerate(graph.edges):
        if layers[edge.source] == layers[edge.target]:
            ends = (ports[(index, edge.source)].y, ports[(index, edge.target)].y)
            spans.setdefault(layers[edge.source], {})[index] = (min(ends), max(ends))
    return {i: lane for column in spans.values() for i, lane in _assign_lanes(column).items()}


def _spread_ports(
    graph: Graph, layers: dict[str, int], boxes: dict[str, Box], places: dict[Slot, float]
) -> dict[tuple[int, str], Point]:
    """Where each edge touches each of its boxes: apart from one another, in the order of their aims."""
    wanted: dict[tuple[str, int], list[tuple[float, int]]] = {}
    for index, edge in enumerate(graph.edges):
        chain = _chain(index, edge, layers)
        for name, other in ((edge.source, edge.target), (edge.target, edge.source)):
            side = -1 if layers[other] < layers[name] else 1
            near = other
            if chain:
                near = chain[1] if chain[0] == name else chain[-2]  # type: ignore[assignment]
            wanted.setdefault((name, side), []).append((places[near], index))
    ports = {}
    for (name, side), aims in wanted.items():
        box = boxes[name]
        step = min(12.0, (box.height - 10) / max(len(aims) - 1, 1))
        for place, (_, index) in enumerate(sorted(aims)):
            y = box.y + box.height / 2 + (place - (len(aims) - 1) / 2) * step
            ports[(index, name)] = Point(box.x + (box.width if side == 1 else 0), y)
    return ports


def _curve(points: Sequence[Point]) -> str:
    """A smooth line from left to right, level at every point."""
    path = f"M{points[0].x:.1f} {points[0].y:.1f}"
    for a, b in itertools.pairwise(points):
        pull = (b.x - a.x) * 0.45
        path += f"C{a.x + pull:.1f} {a.y:.1f} {b.x - pull:.1f} {b.y:.1f} {b.x:.1f} {b.y:.1f}"
    return path


def _free_label(points: Sequence[Point], taken: Sequence[Point]) -> Point:
    """A place on the line's first stretch that is far from the other labels."""
    candidates = []
    for a, b in (points[:2], points[-2:]):
        for share in (0.36, 0.46, 0.3, 0.56, 0.66):
            pull = 0.45
            x = _bezier(share, 0, pull, 1 - pull, 1)
            y = _bezier(share, 0, 0, 1, 1)
            candidates.append(Point(a.x + x * (b.x - a.x), a.y + y * (b.y - a.y)))

    def crowding(point: Point) -> float:
        near = [abs(point.x - one.x) / 34 + abs(point.y - one.y) / 15 for one in taken]
        return -min(min(near, default=9.0), 1.2)

    return min(candidates, key=crowding)


def _bezier(share: float, a: float, b: float, c: float, d: float) -> float:
    rest = 1 - share
    return a * rest**3 + 3 * b * rest**2 * share + 3 * c * rest * share**2 + d * share**3


def _bracket(start: Point, end: Point, x: float) -> Route:
    """A line that leaves a box to the right and comes back to one above or below."""
    turn = 7 if end.y > start.y else -7
    path = (
        f"M{start.x:.1f} {start.y:.1f}H{x - 7:.1f}q7 0 7 {turn}V{end.y - turn:.1f}"
        f"q0 {turn} -7 {turn}H{end.x:.1f}"
    )
    return Route(path, start, 1, end, 1, Point(x, (start.y + end.y) / 2))


def lay_out_narrow(graph: Graph) -> Picture:
    """All nodes under one another, tier by tier, lines in lanes to their right."""
    return _lay_out_list(graph, _NARROW)


def _lay_out_list(graph: Graph, page: int) -> Picture:
    layers = _find_depths(graph, {node.name: node.tier for node in graph.nodes})
    nodes = sorted(graph.nodes, key=lambda node: (node.tier, layers[node.name]))
    boxes: dict[str, Box] = {}
    headings = []
    y, tier = 8.0, -1
    width = min(max(map(len, graph.names)) * _LETTER + 20, 0.44 * page)
    for node in nodes:
        if node.tier != tier:
            headings.append((Point(12, y + 14), f"tier {node.tier + 1}"))
            tier, y = node.tier, y + 24
        boxes[node.name] = Box(node.name, 12, y, width, _BOX, int((width - 12) / _LETTER))
        y += _BOX + 12
    routes = _route_narrow(graph, boxes, page)
    return Picture(page, int(y) + 4, tuple(boxes.values()), routes, tuple(headings))


def _route_narrow(graph: Graph, boxes: dict[str, Box], page: int) -> tuple[tuple[Edge, Route], ...]:
    ports = _spread_narrow_ports(graph, boxes)
    spans = {}
    for index, edge in enumerate(graph.edges):
        ends = (ports[(index, edge.source)].y, ports[(index, edge.target)].y)
        spans[index] = (min(ends), max(ends))
    lanes = _assign_lanes(spans)
    count = max(lanes.values(), default=0) + 1
    left = max((box.x + box.width for box in boxes.values()), default=0.0)
    step = min(36.0, (page - 20 - left - 34) / max(count - 1, 1))
    routes = []
    for index, edge in enumerate(graph.edges):
        x = left + 34 + lanes[index] * step
        route = _bracket(ports[(index, edge.source)], ports[(index, edge.target)], x)
        routes.append((edge, route))
    return tuple(routes)


def _spread_narrow_ports(graph: Graph, boxes: dict[str, Box]) -> dict[tuple[int, str], Point]:
    """Lines that go up leave above those that go down; the longest of each are outermost inside."""
    wanted: dict[str, list[tuple[float, int]]] = {}
    for index, edge in enumerate(graph.edges):
        for name, other in ((edge.source, edge.target), (edge.target, edge.source)):
            reach = boxes[other].y - boxes[name].y
            wanted.setdefault(name, []).append((-1 / reach, index))
    ports = {}
    for name, aims in wanted.items():
        box = boxes[name]
        step = min(10.0, (box.height - 8) / max(len(aims) - 1, 1))
        # upward lines first, the longest lowest of them; then downward ones, the longest highest
        ordered = sorted(
            aims, key=lambda one: (one[0] < 0, -abs(one[0])) if one[0] > 0 else (True, abs(one[0]))
        )
        for place, (_, index) in enumerate(ordered):
            y = box.y + box.height / 2 + (place - (len(aims) - 1) / 2) * step
            ports[(index, name)] = Point(box.x + box.width, y)
    return ports


def _assign_lanes(spans: dict[int, tuple[float, float]]) -> dict[int, int]:
    """A lane for each line, short lines innermost, none shared where lines overlap."""
    lanes: dict[int, int] = {}
    for index in sorted(spans, key=lambda one: spans[one][1] - spans[one][0]):
        low, high = spans[index]
        used = {
            lanes[other]
            for other in lanes
            if spans[other][0] <= high + 4 and low <= spans[other][1] + 4
        }
        lanes[index] = next(lane for lane in range(len(spans) + 1) if lane not in used)
    return lanes
