"""A causal graph as the night hands it over: two drawings, its edges, and what to adjust for."""

from pydantic import Field

from tasks.report.fields import Count, Name, Notes, Number, Row, Sentence, Text


class GraphEdge(Row):
    """An edge between two columns. `stability` is a share of bootstraps in [0, 1].

    `origin` is "data", "prior" (only suggested) or "both".
    """

    source: Name
    target: Name
    kind: Name = "directed"
    stability: Number = None
    origin: Name = "data"

    @property
    def is_suggested_only(self) -> bool:
        """The data do not show it."""
        return self.origin == "prior"


class GraphAdjustment(Row):
    """What to hold fixed to read one effect off the data; empty where nothing is needed."""

    treatment: Name
    outcome: Name
    adjust_for: tuple[Name, ...] = ()
    is_identified: bool = False
    reason: Sentence = ""


class GraphRow(Row):
    """One graph. The drawings are text from outside until `graphs.accept_drawing` has read them."""

    source: Name = ""
    method: Name = ""
    n: Count = 0
    svg_wide: Text = Field(default="", exclude=True)
    svg_narrow: Text = Field(default="", exclude=True)
    edges: tuple[GraphEdge, ...] = ()
    adjustments: tuple[GraphAdjustment, ...] = ()
    notes: Notes = ()
