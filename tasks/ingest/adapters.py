"""Sources, at one glance: their formats, their mapping files, their drops."""

from tasks.ingest.drops import detect_table, drop_files, get_adapter, list_drops, list_ignored
from tasks.ingest.formats import Adapter, TableFormat
from tasks.ingest.mapping import read_mapping

__all__ = [
    "Adapter",
    "TableFormat",
    "detect_table",
    "drop_files",
    "get_adapter",
    "list_drops",
    "list_ignored",
    "read_mapping",
]
