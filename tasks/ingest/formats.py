"""What the sources look like: which column of which file is which field of a canonical table.

A format is data, not code: `tasks.ingest.stage` reads every file by the same statements. Column
names were checked against the data pages of the sources: Amazon reviews 2014
(https://cseweb.ucsd.edu/~jmcauley/datasets/amazon/links.html), 2018
(https://cseweb.ucsd.edu/~jmcauley/datasets/amazon_v2/), 2023 (https://amazon-reviews-2023.github.io)
and Amazon fine foods (https://snap.stanford.edu/data/web-FineFoods.html).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from tasks.platform.schema import TableName

FIELDS: Final[dict[TableName, tuple[str, ...]]] = {
    "reviews": (
        "user_id",
        "item_id",
        "item_id_other",
        "reviewed_at",
        "reviewed_at_other",
        "rating",
        "title",
        "text",
        "helpful_votes",
        "total_votes",
        "helpful_pair",
        "is_verified",
    ),
    "exposures": (
        "exposure_id",
        "user_id",
        "item_id",
        "exposed_at",
        "policy",
        "position",
        "propensity",
        "is_clicked",
        "is_converted",
        "context",
    ),
    "items": (
        "item_id",
        "item_id_other",
        "title",
        "description",
        "brand",
        "category",
        "category_other",
        "price_usd",
    ),
    "users": ("user_id", "features"),
}
"""What is read of a row. `*_other` stands in where its field is absent; `helpful_pair` is a list
[helpful votes, total votes]."""

REQUIRED: Final[dict[TableName, tuple[str, ...]]] = {
    "reviews": ("user_id", "item_id", "reviewed_at", "rating"),
    "exposures": ("user_id", "item_id", "exposed_at", "is_clicked"),
    "items": ("item_id",),
    "users": ("user_id",),
}
OTHER: Final = "_other"

JsonKind = Literal["text", "number", "flag", "list", "object"]
TIME_UNITS: Final = ("auto", "s", "ms", "us", "ns")


@dataclass(frozen=True)
class TableFormat:
    """How one table lies in one kind of file.

    `columns` maps fields to source columns; `known` are further columns of the format, not read;
    `expected` are optional columns whose absence from a whole file is worth a word; `kinds` are the
    JSON kinds a column may have. `time_format` is one of TIME_UNITS or a strptime format;
    `packed` are columns gathered into the JSON object of `packed_field`. `is_literal` admits lines
    written as Python literals (the 2014 item metadata). `is_chosen` says that a person named what
    is read: further columns are left out on purpose, and no news.
    """

    columns: Mapping[str, str]
    known: frozenset[str] = frozenset()
    expected: frozenset[str] = frozenset()
    kinds: Mapping[str, frozenset[JsonKind]] = field(default_factory=dict)
    time_format: str = "auto"
    packed: tuple[str, ...] = ()
    is_literal: bool = False
    is_chosen: bool = False

    def list_sources(self, name: str) -> list[str]:
        """Source columns of a field, the first choice first."""
        return [self.columns[key] for key in (name, name + OTHER) if key in self.columns]

    def list_columns(self) -> list[str]:
        """Distinct source columns that are read, in a fixed order."""
        return list(dict.fromkeys([*self.columns.values(), *self.packed]))


@dataclass(frozen=True)
class Adapter:
    """A kind of source: for each table it delivers, the formats its files may have.

    `delimiter` is that of its CSV files. `has_own_names` says that files in a drop folder may have
    any name (they hold reviews unless named otherwise).
    """

    kind: str
    formats: Mapping[TableName, tuple[TableFormat, ...]]
    delimiter: str = ","
    has_own_names: bool = False

    def choose_format(self, table: TableName, columns: Iterable[str]) -> TableFormat:
        """The format of `table` that explains most of `columns`; the first one on a tie."""
        present = set(columns)
        formats = self.formats[table]
        return max(formats, key=lambda each: score_format(each, table, present))


def score_format(each: TableFormat, table: TableName, present: set[str]) -> tuple[int, int, int]:
    """How well a format explains the columns that a file has; larger is better."""
    met = sum(any(column in present for column in each.list_sources(r)) for r in REQUIRED[table])
    read = sum(column in present for column in each.list_columns())
    return met - len(REQUIRED[table]), read, len(present & each.known)


def _kinds(
    *, text: str = "", number: str = "", flag: str = "", lists: str = "", objects: str = ""
) -> dict[str, frozenset[JsonKind]]:
    """Column names, blank-separated, by the JSON kind they have in good files."""
    named: dict[JsonKind, str] = {
        "text": text,
        "number": number,
        "flag": flag,
        "list": lists,
        "object": objects,
    }
    found: dict[str, frozenset[JsonKind]] = {}
    for kind, names in named.items():
        for name in names.split():
            found[name] = found.get(name, frozenset()) | {kind}
    return found


_AMAZON_REVIEWS: Final = {
    "user_id": "reviewerID",
    "item_id": "asin",
    "reviewed_at": "unixReviewTime",
    "reviewed_at_other": "reviewTime",
    "rating": "overall",
    "title": "summary",
    "text": "reviewText",
}

AMAZON_2014: Final = Adapter(
    kind="amazon-2014",
    has_own_names=True,
    formats={
        "reviews": (
            TableFormat(
                columns={**_AMAZON_REVIEWS, "helpful_pair": "helpful"},
                known=frozenset({"reviewerName"}),
                expected=frozenset({"summary", "reviewText", "helpful"}),
                kinds=_kinds(
                    text="reviewerID asin reviewerName reviewText summary reviewTime",
                    number="overall unixReviewTime",
                    lists="helpful",
                ),
                time_format="s",
            ),
        ),
        "items": (
            TableFormat(
                columns={
                    "item_id": "asin",
                    "title": "title",
                    "description": "description",
                    "brand": "brand",
                    "category": "categories",
                    "price_usd": "price",
                },
                known=frozenset({"imUrl", "related", "salesRank"}),
                expected=frozenset({"title", "price", "categories"}),
                kinds=_kinds(
                    text="asin title description brand imUrl", number="price", lists="categories"
                ),
                is_literal=True,
            ),
            TableFormat(
                columns={
                    "item_id": "Product ID",
                    "title": "Description",
                    "price_usd": "price",
                    "category": "Category",
                },
                expected=frozenset({"Description", "price", "Category"}),
            ),
        ),
    },
)

AMAZON_2018: Final = Adapter(
    kind="amazon-2018",
    has_own_names=True,
    formats={
        "reviews": (
            TableFormat(
                columns={**_AMAZON_REVIEWS, "helpful_votes": "vote", "is_verified": "verified"},
                known=frozenset({"reviewerName", "style", "image"}),
                expected=frozenset({"summary", "reviewText", "verified"}),
                kinds=_kinds(
                    text="reviewerID asin reviewerName reviewText summary reviewTime vote",
                    number="overall unixReviewTime vote",
                    flag="verified",
                    lists="image",
                    objects="style",
                ),
                time_format="s",
            ),
        ),
        "items": (
            TableFormat(
                columns={
                    "item_id": "asin",
                    "title": "title",
                    "description": "description",
                    "brand": "brand",
                    "category": "category",
                    "category_other": "main_cat",
                    "price_usd": "price",
                },
                known=frozenset(
                    [
                        "tech1",
                        "tech2",
                        "fit",
                        "also_buy",
                        "also_view",
                        "feature",
                        "rank",
                        "details",
                        "similar_item",
                        "date",
                        "imageURL",
                        "imageURLHighRes",
                        "imUrl",
                        "image",
                    ]
                ),
                expected=frozenset({"title", "price", "category"}),
                kinds=_kinds(
                    text="asin title description brand main_cat price tech1 tech2 fit similar_item "
                    "date rank details",
                    number="price",
                    lists="category description also_buy also_view feature rank imageURL "
                    "imageURLHighRes image",
                    objects="details",
                ),
            ),
        ),
    },
)

AMAZON_2023: Final = Adapter(
    kind="amazon-2023",
    has_own_names=True,
    formats={
        "reviews": (
            TableFormat(
                columns={
                    "user_id": "user_id",
                    "item_id": "parent_asin",
                    "item_id_other": "asin",
                    "reviewed_at": "timestamp",
                    "reviewed_at_other": "sort_timestamp",
                    "rating": "rating",
                    "title": "title",
                    "text": "text",
                    "helpful_votes": "helpful_vote",
                    "is_verified": "verified_purchase",
                },
                known=frozenset({"images"}),
                expected=frozenset({"title", "text", "helpful_vote", "verified_purchase"}),
                kinds=_kinds(
                    text="user_id parent_asin asin title text",
                    number="timestamp sort_timestamp rating helpful_vote",
                    flag="verified_purchase",
                    lists="images",
                ),
                time_format="ms",
            ),
        ),
        "items": (
            TableFormat(
                columns={
                    "item_id": "parent_asin",
                    "item_id_other": "asin",
                    "title": "title",
                    "description": "description",
                    "brand": "store",
                    "category": "categories",
                    "category_other": "main_category",
                    "price_usd": "price",
                },
                known=frozenset(
                    [
                        "average_rating",
                        "rating_number",
                        "features",
                        "images",
                        "videos",
                        "details",
                        "bought_together",
                        "subtitle",
                        "author",
                    ]
                ),
                expected=frozenset({"title", "price", "main_category"}),
                kinds=_kinds(
                    text="parent_asin asin title store main_category price subtitle "
                    "bought_together author details",
                    number="price average_rating rating_number",
                    lists="description categories features images videos bought_together",
                    objects="details author images videos",
                ),
            ),
        ),
    },
)

FINEFOOD: Final = Adapter(
    kind="finefood",
    has_own_names=True,
    formats={
        "reviews": (
            TableFormat(
                columns={
                    "user_id": "UserId",
                    "item_id": "ProductId",
                    "reviewed_at": "Time",
                    "rating": "Score",
                    "title": "Summary",
                    "text": "Text",
                    "helpful_votes": "HelpfulnessNumerator",
                    "total_votes": "HelpfulnessDenominator",
                },
                known=frozenset({"Id", "ProfileName"}),
                expected=frozenset(
                    {"Summary", "Text", "HelpfulnessNumerator", "HelpfulnessDenominator"}
                ),
                time_format="s",
            ),
        ),
    },
)


def _plain_format(table: TableName, **kinds: str) -> TableFormat:
    """The canonical column names themselves, as the sample world writes them."""
    names = [name for name in FIELDS[table] if not name.endswith(OTHER) and name != "helpful_pair"]
    required = set(REQUIRED[table])
    return TableFormat(
        columns={name: name for name in names},
        known=frozenset({"review_id", "source", "event_date", "text_sha256"}),
        expected=frozenset(names) - required - {"exposure_id"},
        kinds=_kinds(**kinds),
    )


SAMPLE: Final = Adapter(
    kind="sample",
    formats={
        "reviews": (
            _plain_format(
                "reviews",
                text="user_id item_id reviewed_at title text",
                number="rating helpful_votes total_votes",
                flag="is_verified",
            ),
        ),
        "exposures": (
            _plain_format(
                "exposures",
                text="exposure_id user_id item_id exposed_at policy",
                number="position propensity",
                flag="is_clicked is_converted",
                objects="context",
            ),
        ),
        "items": (
            _plain_format(
                "items", text="item_id title description brand category", number="price_usd"
            ),
        ),
        "users": (_plain_format("users", text="user_id", objects="features"),),
    },
)

BUILT_IN: Final[dict[str, Adapter]] = {
    adapter.kind: adapter for adapter in (AMAZON_2014, AMAZON_2018, AMAZON_2023, FINEFOOD, SAMPLE)
}
