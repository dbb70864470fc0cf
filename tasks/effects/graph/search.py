"""PC, FCI and GES of causal-learn, each asked for one thing: the marks at the ends of all edges.

All three see the data only through a correlation matrix and a number of rows. Background knowledge
is tiers alone: nothing points from a later tier to an earlier one, and no two columns are called
unrelated because of columns later than both.
"""

from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import cache
from io import StringIO
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from tasks.effects.basis import FloatArray
from tasks.effects.graph.worth import RowWorth
from tasks.platform.errors import ConfigError, EstimationError

Method = Literal["pc", "fci", "ges"]
Marks = NDArray[np.int8]
"""Shape (p, p): `marks[a, b]` is the mark at a of the edge between a and b, 0 without an edge."""

TAIL: Final = -1
ARROW: Final = 1
CIRCLE: Final = 2
MAX_TESTS: Final = 200_000
MAX_VARIABLES: Final = 40
NEARLY_TOLD: Final = 0.1
"""Share of the variance that others leave of a column of which they tell nearly everything."""
_POWER: Final = 12.0
"""Expected chi-squared of one degree above which a test at level 0.01 rejects four times in five."""
_TEST_NAME: Final = "whyrec_blocks"
_RIDGE: Final = 1e-6


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a search may see.

    `correlation` (q, q) of all score columns, `n` rows that they are worth, `blocks[i]` the columns
    of variable i, `tiers[i]` its tier. `worth`, of clustered rows, counts the rows of each test.
    """

    correlation: FloatArray
    n: float
    blocks: tuple[tuple[int, ...], ...]
    tiers: tuple[int, ...]
    worth: RowWorth | None = None

    def count_rows(self, x: Sequence[int], y: Sequence[int], given: Sequence[int]) -> float:
        """Rows that a test of columns `x` against `y` given columns `given` may count on."""
        return self.n if self.worth is None else self.worth.count(x, y, given)


def correlate(scores: FloatArray, weights: FloatArray) -> FloatArray:
    """Weighted correlation of score columns, shape (q, q), kept away from singular.

    A column that does not vary under these weights is uncorrelated with all.
    """
    share = weights / weights.sum()
    centred = scores - share @ scores
    covariance = centred.T @ (centred * share[:, None])
    deviation = np.sqrt(np.diag(covariance))
    scale = np.divide(1.0, deviation, out=np.zeros_like(deviation), where=deviation > 1e-9)
    correlation: FloatArray = (1 - _RIDGE) * covariance * np.outer(scale, scale)
    np.fill_diagonal(correlation, 1.0)
    return correlation


def block_p_value(
    correlation: FloatArray, n: float, x: Sequence[int], y: Sequence[int], given: Sequence[int]
) -> float:
    """p-value of "columns `x` are independent of columns `y` given columns `given`".

    Wilks' likelihood ratio with Bartlett's correction (Anderson, An Introduction to Multivariate
    Statistical Analysis, 2003, section 9.5). For single columns it is Fisher's z test up to terms
    of order 1 / n.
    """
    from scipy.stats import chi2

    def log_det(columns: Sequence[int]) -> float:
        return float(np.linalg.slogdet(correlation[np.ix_(columns, columns)])[1])

    both, only_x, only_y = [*x, *y, *given], [*x, *given], [*y, *given]
    statistic = log_det(only_x) + log_det(only_y) - log_det(both) - log_det(given)
    rows = n - len(given) - 1 - (len(x) + len(y) + 1) / 2
    return float(chi2.sf(max(rows, 1.0) * max(statistic, 0.0), len(x) * len(y)))


def leave_share(correlation: FloatArray, x: Sequence[int], given: Sequence[int]) -> float:
    """Largest share of its variance that columns `given` leave to one of columns `x`, in [0, 1]."""
    if not given:
        return 1.0
    known = correlation[np.ix_(given, given)]
    cross = correlation[np.ix_(given, x)]
    told = (cross * np.linalg.solve(known, cross)).sum(axis=0)
    return float(np.clip(1 - told, 0, 1).max())


def can_tell(
    correlation: FloatArray, n: float, x: Sequence[int], y: Sequence[int], given: Sequence[int]
) -> bool:
    """Whether a test of `x` against `y` given `given` would see an edge that explains both alone.

    Where `given` tell nearly everything of one side it may not: of two columns that all but repeat
    each other each would take the other's edge away, and both be lost (Lemeire et al., Conservative
    Independence-Based Causal Structure Learning in Absence of Adjacency Faithfulness,
    International Journal of Approximate Reasoning 53, 2012).
    """
    left = min(leave_share(correlation, side, given) for side in (x, y))
    if left >= NEARLY_TOLD:
        return True
    together = correlation[np.ix_([*x, *y], [*x, *y])]
    apart = [correlation[np.ix_(side, side)] for side in (x, y)]
    shared = 1 - np.linalg.det(together) / np.prod([np.linalg.det(one) for one in apart])
    return bool(n * left * shared >= _POWER)


def search(evidence: Evidence, *, method: Method, alpha: float) -> tuple[Marks, int]:
    """Marks of the edges that `method` finds, and how many of its arrows the tiers turned round.

    Raises ConfigError for what the method cannot do, EstimationError when it takes too many tests.
    """
    _check_able(evidence, method)
    found, turned = _METHODS[method](evidence, alpha)
    return found.astype(np.int8), turned


def _check_able(evidence: Evidence, method: Method) -> None:
    if method not in _METHODS:
        raise ConfigError(f"method {method!r}: allowed are {', '.join(_METHODS)}")
    if len(evidence.blocks) > MAX_VARIABLES:
        raise ConfigError(
            f"{len(evidence.blocks)} columns; at most {MAX_VARIABLES} are searched. Name those "
            "that matter to the question"
        )
    if method == "ges" and max(map(len, evidence.blocks)) > 1:
        raise ConfigError(
            "ges cannot use text of more than two levels; use pc or fci, or recode it as numbers"
        )


def _run_pc(evidence: Evidence, alpha: float) -> tuple[Marks, int]:
    """PC whose colliders are those of the likeliest separating set, not of the first one found.

    Ramsey 2016, "Improving accuracy and scalability of the PC algorithm by maximizing P-value",
    https://arxiv.org/abs/1610.00378 ("definite" in causal-learn: only where no neighbour disagrees).
    """
    from causallearn.search.ConstraintBased.PC import pc

    graph = pc(
        _blank(evidence), alpha, _register_test(), stable=True, uc_rule=2, uc_priority=2,
        background_knowledge=_knowledge(evidence.tiers), verbose=False, show_progress=False,
        evidence=evidence,
    )  # fmt: skip
    return _hold_tiers(np.array(graph.G.graph), evidence.tiers, ends=(TAIL, ARROW))


def _run_fci(evidence: Evidence, alpha: float) -> tuple[Marks, int]:
    """FCI without the library's background knowledge, tiers put in after.

    causal-learn 0.1.4 turns a tier into `earlier --> later`, which rules out a hidden common cause
    of the two. A tier says less: the later is no cause of the earlier, `earlier *-> later`.
    """
    from causallearn.search.ConstraintBased.FCI import fci, rule8, rulesR1R2cycle

    with redirect_stdout(StringIO()):  # it prints some of its edges, asked or not
        graph, _ = fci(
            _blank(evidence), _register_test(), float(alpha), verbose=False, show_progress=False,
            evidence=evidence,
        )  # fmt: skip
    turned = _point_later(graph, evidence.tiers)
    while rulesR1R2cycle(graph, None, False) or rule8(graph, None, False):
        pass
    marks = np.array(graph.graph)
    # a tail opposite a tail or circle would speak of selected rows, which we suppose there are not
    marks[(marks == TAIL) & (marks.T != ARROW)] = CIRCLE
    return marks, turned


def _point_later(graph: Any, tiers: Sequence[int]) -> int:
    """Put an arrowhead at the later end of every edge between tiers; count tails it replaces."""
    from causallearn.graph.Edge import Edge
    from causallearn.graph.Endpoint import Endpoint

    turned = 0
    nodes = graph.get_nodes()
    for a, b in zip(*np.nonzero(np.triu(graph.graph)), strict=True):
        if tiers[a] == tiers[b]:
            continue
        early, late = (a, b) if tiers[a] < tiers[b] else (b, a)
        turned += int(graph.graph[late, early] == TAIL)
        mark = Endpoint(int(graph.graph[early, late]))
        graph.remove_edge(graph.get_edge(nodes[early], nodes[late]))
        graph.add_edge(Edge(nodes[early], nodes[late], mark, Endpoint.ARROW))
    return turned


def _run_ges(evidence: Evidence, alpha: float) -> tuple[Marks, int]:
    """GES knows no background: edges between tiers are directed after it, then Meek's rules run."""
    from causallearn.graph.GraphClass import CausalGraph
    from causallearn.search.ScoreBased.GES import ges
    from causallearn.utils.PCUtils.Meek import meek

    found = ges(
        None, "local_score_BIC_from_cov", cov=evidence.correlation, n=evidence.n, lambda_value=0.5
    )["G"]
    marks, turned = _hold_tiers(np.array(found.graph), evidence.tiers, ends=(TAIL, ARROW))
    pattern = CausalGraph(len(marks))
    pattern.G.graph[:] = marks
    pattern.G.reconstitute_dpath(pattern.G.get_graph_edges())
    closed = np.array(meek(pattern, _knowledge(evidence.tiers)).G.graph)
    return _hold_tiers(closed, evidence.tiers, ends=(TAIL, ARROW))[0], turned


def _hold_tiers(
    marks: NDArray[Any], tiers: Sequence[int], *, ends: tuple[int, int]
) -> tuple[NDArray[Any], int]:
    """Every edge between tiers gets `ends` (at the earlier, at the later); count those turned."""
    held = marks.copy()
    order = np.asarray(tiers)
    is_forward = (order[:, None] < order[None, :]) & (marks != 0)
    turned = int((is_forward & (marks == ARROW) & (marks.T == TAIL)).sum())
    held[is_forward] = ends[0]
    held[is_forward.T] = ends[1]
    # two arrowheads from a method that supposes no hidden causes are its own contradiction
    is_both = (held == ARROW) & (held.T == ARROW)
    held[is_both] = TAIL
    return held, turned


_METHODS: Final[dict[str, Callable[[Evidence, float], tuple[Marks, int]]]] = {
    "pc": _run_pc,
    "fci": _run_fci,
    "ges": _run_ges,
}


def _blank(evidence: Evidence) -> FloatArray:
    """Data of the right width for a library that wants some; every test reads `evidence`."""
    return np.zeros((max(int(evidence.n), len(evidence.blocks)), len(evidence.blocks)))


def _knowledge(tiers: Sequence[int]) -> Any:
    from causallearn.graph.GraphNode import GraphNode
    from causallearn.utils.PCUtils.BackgroundKnowledge import BackgroundKnowledge

    knowledge = BackgroundKnowledge()
    for index, tier in enumerate(tiers):
        knowledge.add_node_to_tier(GraphNode(f"X{index + 1}"), int(tier))
    return knowledge


@cache
def _register_test() -> str:
    """Make the block test known to causal-learn under a name; the same however often it is done."""
    from causallearn.utils.cit import CIT_Base, register_ci_test

    class BlockTest(CIT_Base):  # type: ignore[misc]
        """Tests columns by blocks of a correlation matrix, and stops when asked too often."""

        def __init__(self, data: FloatArray, *, evidence: Evidence) -> None:
            self.method = _TEST_NAME
            self.evidence = evidence
            self.known: dict[tuple[int, int, tuple[int, ...]], float] = {}

        def __call__(self, x: int, y: int, condition_set: Sequence[int] | None = None) -> float:
            given = tuple(sorted({int(one) for one in condition_set or ()}))
            key = (min(int(x), int(y)), max(int(x), int(y)), given)
            tiers = self.evidence.tiers
            if any(tiers[one] > max(tiers[key[0]], tiers[key[1]]) for one in given):
                # if any set separates the two, one from their past does; a later one may mislead
                return 0.0
            if key not in self.known:
                _check_budget(len(self.known))
                self.known[key] = self._test(key)
            return self.known[key]

        def _test(self, key: tuple[int, int, tuple[int, ...]]) -> float:
            blocks = self.evidence.blocks
            held = [column for one in key[2] for column in blocks[one]]
            x, y = blocks[key[0]], blocks[key[1]]
            rows = self.evidence.count_rows(x, y, held)
            if not can_tell(self.evidence.correlation, rows, x, y, held):
                return 0.0
            return block_p_value(self.evidence.correlation, rows, x, y, held)

    register_ci_test(_TEST_NAME, BlockTest)
    return _TEST_NAME


def _check_budget(tests: int) -> None:
    if tests >= MAX_TESTS:
        raise EstimationError(
            f"the search took more than {MAX_TESTS:,} tests; name fewer columns, lower alpha, or "
            "use pc, which tests less than fci"
        )
