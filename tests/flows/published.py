"""A warehouse with toy reviews in it, without a night."""

from pathlib import Path

import polars as pl

from tasks.platform.settings import load_settings
from tasks.platform.site import resolve_site
from tasks.robustness.corpus import SAYS
from tests.robustness.worlds import toy_corpus


def publish(folder: Path, *sources: str) -> str:
    """A warehouse that holds the toy reviews of each source, half of them read."""
    config = folder / "whyrec.toml"
    config.write_text('[paths]\nhome = "home"\n')
    warehouse = resolve_site(load_settings(config)).warehouse
    warehouse.prepare()
    rows = toy_corpus().frame

    def write(connection) -> None:
        for source in sources:
            named = pl.lit(source).alias("source")
            reviews = rows.select(
                "review_id",
                named,
                "user_id",
                "item_id",
                "event_date",
                "rating",
                "text",
                "is_verified",
            )
            read = rows.head(100).select(
                named, "event_date", "review_id", pl.lit("price").alias("attribute"),
                pl.lit(True).alias("is_mentioned"), pl.col(f"{SAYS}price").alias("polarity"),
            )  # fmt: skip
            days = rows.group_by("event_date").agg(pl.len().alias("row_count")).with_columns(
                named, pl.lit("reviews").alias("table_name"), pl.lit("x").alias("fingerprint")
            )  # fmt: skip
            items = rows.select(pl.col("item_id").unique(), named, pl.lit("acme").alias("brand"))
            for table, frame in (
                ("clean.reviews", reviews), ("marts.review_attributes", read),
                ("clean.partitions", days), ("clean.items", items),
            ):  # fmt: skip
                connection.register("given", frame.to_arrow())
                connection.execute(f"INSERT INTO {table} BY NAME SELECT * FROM given")
                connection.unregister("given")

    warehouse.commit(write, message="toy")
    return str(config)
