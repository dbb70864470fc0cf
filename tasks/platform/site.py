"""Where this installation keeps its things: resolved once, passed to tasks, never part of a key."""

from datetime import date
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from tasks.platform.lake import Lake
from tasks.platform.object_store import ObjectStore
from tasks.platform.settings import Settings
from tasks.platform.warehouse import Warehouse


class Site(BaseModel):
    """Absolute places of the lake, the task results, the reports and the warehouse."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lake_root: str
    cache_root: str
    reports_root: str
    catalog: str
    data: str
    lock_timeout_s: float
    store: ObjectStore = ObjectStore()

    @property
    def lake(self) -> Lake:
        """The lake of immutable files."""
        return Lake(Path(self.lake_root))

    @property
    def warehouse(self) -> Warehouse:
        """The warehouse; connecting is up to the caller."""
        return Warehouse(self.catalog, self.data, self.lock_timeout_s, self.store)

    def night_folder(self, as_of: date) -> Path:
        """Folder of one night's report and run.json."""
        return Path(self.reports_root) / as_of.isoformat()


def _resolve(root: Path, value: str | None, default: Path) -> str:
    if value is None:
        return str(default)
    return value if "://" in value else str((root / value).resolve())


def find_home(settings: Settings) -> Path:
    """The folder that holds everything of an installation."""
    return (settings.root / settings.paths.home).resolve()


def resolve_site(settings: Settings) -> Site:
    """Resolve every place of `settings` against the folder of its file."""
    home = find_home(settings)
    catalog = settings.warehouse.catalog or f"sqlite:{home / 'warehouse' / 'catalog.sqlite'}"
    kind, _, target = catalog.partition(":")
    if kind == "sqlite":
        catalog = f"sqlite:{(settings.root / Path(target).expanduser()).resolve()}"
    return Site(
        lake_root=_resolve(settings.root, settings.paths.lake, home / "lake"),
        cache_root=_resolve(settings.root, settings.paths.cache, home / "cache"),
        reports_root=_resolve(settings.root, settings.paths.reports, home / "reports"),
        catalog=catalog,
        data=_resolve(settings.root, settings.warehouse.data, home / "warehouse" / "data"),
        lock_timeout_s=settings.warehouse.lock_timeout_s,
        store=ObjectStore(
            endpoint=settings.warehouse.s3_endpoint,
            region=settings.warehouse.s3_region,
            url_style=settings.warehouse.s3_url_style,
        ),
    )
