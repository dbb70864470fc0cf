"""What the effects room keeps in the lake, read and written: panels, the basis, rows of results."""

import json
from collections.abc import Sequence

import polars as pl

from tasks.effects.basis import Basis
from tasks.effects.estimate import Row
from tasks.effects.item_texts import add_text_scores
from tasks.platform.refs import FileRef, PanelRef
from tasks.platform.task import RunContext


def read_basis(run: RunContext, ref: FileRef) -> Basis:
    """The frozen control basis."""
    return Basis.from_json(run.site.lake.read_bytes(ref).decode())


def read_panel(run: RunContext, refs: Sequence[PanelRef], basis: Basis) -> pl.DataFrame:
    """The panels of several periods as one, with what the basis reads from the items' texts."""
    panel = read_frames(run, [ref.rows for ref in refs])
    return add_text_scores(panel, read_texts(run, refs), basis.texts)


def read_texts(run: RunContext, refs: Sequence[PanelRef]) -> pl.DataFrame | None:
    """Vectors of the items of several periods, an item once a period; None where none has a text."""
    frames = [run.site.lake.read_frame(ref.texts) for ref in refs if ref.texts is not None]
    return pl.concat(frames) if frames else None


def read_frames(run: RunContext, refs: Sequence[FileRef]) -> pl.DataFrame:
    """Several tables as one; a column that one of them does not have is missing there."""
    return pl.concat([run.site.lake.read_frame(ref) for ref in refs], how="diagonal_relaxed")


def read_rows(run: RunContext, refs: Sequence[FileRef]) -> list[Row]:
    """Rows of several files, one after the other."""
    return [row for ref in refs for row in json.loads(run.site.lake.read_bytes(ref))]


def put_rows(run: RunContext, kind: str, rows: Sequence[Row]) -> FileRef:
    """Keep rows as JSON, dates written out."""
    text = json.dumps(rows, default=str, sort_keys=True)
    return run.site.lake.put_bytes(kind, ".json", text.encode(), rows=len(rows))


def read_levels(run: RunContext, ref: FileRef) -> dict[str, tuple[str, ...]]:
    """The levels of every segment that has any."""
    document = json.loads(run.site.lake.read_bytes(ref))
    return {segment: tuple(document[segment]) for segment in sorted(document)}


def add_columns(run: RunContext, panel: pl.DataFrame, users: FileRef | None) -> pl.DataFrame:
    """`panel` with the columns of `users`, a table by user_id, where there is one."""
    if users is None:
        return panel
    return panel.join(
        run.site.lake.read_frame(users), on="user_id", how="left", maintain_order="left"
    )
