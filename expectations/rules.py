"""Expectation classes that the suites are written with.

Great Expectations' own classes where they work on DuckDB, and small ones of ours where they do
not (patterns), or where the library has none (JSON, a second column, shares of a day).

`CountOnly` makes a check of rows cheap: the library asks one query per expectation for the
offending values, whether there are any or not. Here the first pass asks for counts alone, so
that all of a suite's counts become one scan; the gate asks for examples of what failed later.
"""

from datetime import date
from typing import Any, ClassVar

import sqlalchemy as sa
from great_expectations.execution_engine.execution_engine import ExecutionEngine
from great_expectations.execution_engine.sqlalchemy_execution_engine import (
    SqlAlchemyExecutionEngine,
)
from great_expectations.expectations.core.expect_column_value_lengths_to_equal import (
    ExpectColumnValueLengthsToEqual,
)
from great_expectations.expectations.core.expect_column_values_to_be_between import (
    ExpectColumnValuesToBeBetween,
)
from great_expectations.expectations.core.expect_column_values_to_be_in_set import (
    ExpectColumnValuesToBeInSet,
)
from great_expectations.expectations.core.expect_column_values_to_be_unique import (
    ExpectColumnValuesToBeUnique,
)
from great_expectations.expectations.core.expect_column_values_to_not_be_null import (
    ExpectColumnValuesToNotBeNull,
)
from great_expectations.expectations.expectation import (
    BatchExpectation,
    ColumnAggregateExpectation,
    ColumnMapExpectation,
)
from great_expectations.expectations.metrics.column_aggregate_metric_provider import (
    ColumnAggregateMetricProvider,
    column_aggregate_partial,
)
from great_expectations.expectations.metrics.map_metric_provider.column_condition_partial import (
    column_condition_partial,
)
from great_expectations.expectations.metrics.map_metric_provider.column_map_metric_provider import (
    ColumnMapMetricProvider,
)
from great_expectations.expectations.metrics.metric_provider import metric_value
from great_expectations.expectations.metrics.table_metric_provider import TableMetricProvider
from great_expectations.validator.metric_configuration import MetricConfiguration
from great_expectations.validator.validator import ValidationDependencies

EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
"""sha256 of the empty text: finds empty texts without reading any."""

_Clause = sa.ColumnElement[Any]
_DISTINCT = "column.distinct_values.count"
_NULLS = "column_values.nonnull.unexpected_count"
_DAY_US = 86_400_000_000


class CountOnly:
    """Mixin: under result format BASIC, count offending rows and do not fetch their values."""

    def get_validation_dependencies(
        self,
        execution_engine: ExecutionEngine[Any] | None = None,
        runtime_configuration: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> ValidationDependencies:
        """The library's own dependencies, without the query for values under BASIC."""
        needed: ValidationDependencies = super().get_validation_dependencies(  # type: ignore[misc]
            execution_engine, runtime_configuration, **kwargs
        )
        if needed.result_format.get("result_format") == "BASIC":
            for name in needed.get_metric_names():
                if name.endswith(".unexpected_values"):
                    needed.remove_metric_configuration(name)
        return needed


class ExpectNoNulls(CountOnly, ExpectColumnValuesToNotBeNull):
    """No value of `column` is null; `mostly` is the least share of rows that have one."""


class ExpectNoRepeats(ExpectColumnValuesToBeUnique):
    """No value of `column` occurs twice; nulls are not compared.

    Under BASIC it compares the count of distinct values with that of values, half the cost of the
    library's window over all rows; under other formats the library names the repeated rows.
    """

    def get_validation_dependencies(
        self,
        execution_engine: ExecutionEngine[Any] | None = None,
        runtime_configuration: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> ValidationDependencies:
        """The library's own dependencies, with a distinct count in place of rows under BASIC."""
        needed: ValidationDependencies = super().get_validation_dependencies(
            execution_engine, runtime_configuration, **kwargs
        )
        if needed.result_format.get("result_format") != "BASIC":
            return needed
        for name in needed.get_metric_names():
            if name.startswith(f"{self.map_metric}."):
                found = needed.metric_configurations.pop(name)
        needed.set_metric_configuration(
            _DISTINCT, MetricConfiguration(_DISTINCT, found.metric_domain_kwargs)
        )
        return needed

    def _validate(
        self,
        metrics: dict[str, Any],
        runtime_configuration: dict[str, Any] | None = None,
        execution_engine: ExecutionEngine[Any] | None = None,
    ) -> Any:
        if _DISTINCT in metrics:
            n_values = metrics["table.row_count"] - metrics[_NULLS]
            repeats = {f"{self.map_metric}.unexpected_count": n_values - metrics[_DISTINCT]}
            metrics = metrics | repeats
        return super()._validate(metrics, runtime_configuration, execution_engine)


class ExpectInRange(CountOnly, ExpectColumnValuesToBeBetween):
    """Values of `column` lie between two bounds; NaN may pass, see `ExpectFinite`."""


class ExpectInSet(CountOnly, ExpectColumnValuesToBeInSet):
    """Values of `column` come from a closed list."""


class ExpectLength(CountOnly, ExpectColumnValueLengthsToEqual):
    """Values of `column` have an exact length in characters."""


class _MatchesPattern(ColumnMapMetricProvider):
    """The library has no patterns for DuckDB; RE2 syntax, anchored by the pattern itself."""

    condition_metric_name = "column_values.matches_re2"
    condition_value_keys = ("pattern",)

    @column_condition_partial(engine=SqlAlchemyExecutionEngine)
    def _sqlalchemy(cls, column: _Clause, pattern: str, **kwargs: Any) -> _Clause:  # noqa: N805
        return sa.func.regexp_matches(column, pattern)


class ExpectPattern(CountOnly, ColumnMapExpectation):
    """Values of `column` match the RE2 `pattern`."""

    pattern: str
    map_metric = "column_values.matches_re2"
    success_keys = ("pattern", "mostly")
    args_keys = ("column", "pattern")


class _Finite(ColumnMapMetricProvider):
    condition_metric_name = "column_values.finite"

    @column_condition_partial(engine=SqlAlchemyExecutionEngine)
    def _sqlalchemy(cls, column: _Clause, **kwargs: Any) -> _Clause:  # noqa: N805
        return sa.func.isfinite(column)


class ExpectFinite(CountOnly, ColumnMapExpectation):
    """Values of `column` are numbers, not NaN or infinite.

    A range does not see NaN: Parquet's statistics leave it out, and DuckDB answers a comparison
    from them where it can.
    """

    map_metric = "column_values.finite"


class _NotBlank(ColumnMapMetricProvider):
    condition_metric_name = "column_values.not_blank"

    @column_condition_partial(engine=SqlAlchemyExecutionEngine)
    def _sqlalchemy(cls, column: _Clause, **kwargs: Any) -> _Clause:  # noqa: N805
        return sa.func.ltrim(column) != ""


class ExpectNotBlank(CountOnly, ColumnMapExpectation):
    """Values of `column` hold more than spaces; nulls are another expectation's business."""

    map_metric = "column_values.not_blank"


class _NotEmptyText(ColumnMapMetricProvider):
    condition_metric_name = "column_values.not_hash_of_empty"

    @column_condition_partial(engine=SqlAlchemyExecutionEngine)
    def _sqlalchemy(cls, column: _Clause, **kwargs: Any) -> _Clause:  # noqa: N805
        return column != EMPTY_SHA256


class ExpectNotEmptyText(CountOnly, ColumnMapExpectation):
    """`column` holds text hashes, and they are not the hash of the empty text."""

    map_metric = "column_values.not_hash_of_empty"


class _IsJsonObject(ColumnMapMetricProvider):
    condition_metric_name = "column_values.json_object"

    @column_condition_partial(engine=SqlAlchemyExecutionEngine)
    def _sqlalchemy(cls, column: _Clause, **kwargs: Any) -> _Clause:  # noqa: N805
        # json_type raises on what is not JSON, so it is asked only of what is
        return sa.case(
            (sa.func.json_valid(column), sa.func.json_type(column) == "OBJECT"), else_=sa.false()
        )


class ExpectJsonObject(CountOnly, ColumnMapExpectation):
    """Values of `column` parse as JSON objects, not lists or bare values."""

    map_metric = "column_values.json_object"


class _IsUtcDateOf(ColumnMapMetricProvider):
    condition_metric_name = "column_values.utc_date_of"
    condition_value_keys = ("moment_column",)

    @column_condition_partial(engine=SqlAlchemyExecutionEngine)
    def _sqlalchemy(cls, column: _Clause, moment_column: str, **kwargs: Any) -> _Clause:  # noqa: N805
        moment: _Clause = sa.column(moment_column)
        # whole days since 1970 on both sides: a sixth of the cost of a time zone conversion
        day = sa.func.datediff("day", sa.cast(date(1970, 1, 1), sa.Date), column)
        moment_day = sa.func.floor(sa.func.epoch_us(moment) / float(_DAY_US))
        return sa.func.coalesce(day == moment_day, sa.false())


class ExpectUtcDateOf(CountOnly, ColumnMapExpectation):
    """The date in `column` is the UTC date of the moment in `moment_column`, which is not null."""

    moment_column: str
    map_metric = "column_values.utc_date_of"
    success_keys = ("moment_column", "mostly")
    args_keys = ("column", "moment_column")


class _AtMostColumn(ColumnMapMetricProvider):
    condition_metric_name = "column_values.between_zero_and_column"
    condition_value_keys = ("limit_column",)

    @column_condition_partial(engine=SqlAlchemyExecutionEngine)
    def _sqlalchemy(cls, column: _Clause, limit_column: str, **kwargs: Any) -> _Clause:  # noqa: N805
        limit: _Clause = sa.column(limit_column)
        return sa.and_(column >= 0, column <= sa.func.coalesce(limit, column))


class ExpectPartOf(CountOnly, ColumnMapExpectation):
    """Values of `column` are at least 0 and at most that of `limit_column`, where it has one."""

    limit_column: str
    map_metric = "column_values.between_zero_and_column"
    success_keys = ("limit_column", "mostly")
    args_keys = ("column", "limit_column")


class _OnlyWhere(ColumnMapMetricProvider):
    condition_metric_name = "column_values.true_only_where"
    condition_value_keys = ("other_column",)

    @column_condition_partial(engine=SqlAlchemyExecutionEngine)
    def _sqlalchemy(cls, column: _Clause, other_column: str, **kwargs: Any) -> _Clause:  # noqa: N805
        other: _Clause = sa.column(other_column)
        return sa.or_(sa.not_(column), sa.func.coalesce(other, sa.false()))


class ExpectTrueOnlyWhere(CountOnly, ColumnMapExpectation):
    """The flag in `column` is true only in rows where the flag in `other_column` is."""

    other_column: str
    map_metric = "column_values.true_only_where"
    success_keys = ("other_column", "mostly")
    args_keys = ("column", "other_column")


class _RepeatedTextShare(ColumnAggregateMetricProvider):
    """1 - distinct / all over non-empty texts; null where there is none.

    Distinct 64-bit hashes are counted instead of 64 letters: 10 million rows cost half as much,
    and one chance collision among them (odds 3e-6) cannot move a share.
    """

    metric_name = "column.repeated_text_share"

    @column_aggregate_partial(engine=SqlAlchemyExecutionEngine)
    def _sqlalchemy(cls, column: _Clause, **kwargs: Any) -> _Clause:  # noqa: N805
        text = sa.case((column != EMPTY_SHA256, sa.func.hash(column)))
        n_texts = sa.func.nullif(sa.func.count(text), 0)
        return 1.0 - sa.cast(sa.func.count(sa.distinct(text)), sa.Double) / n_texts


class ExpectFewRepeatedTexts(ColumnAggregateExpectation):
    """At most `max_share` of non-empty texts (by hash, in `column`) repeat an earlier one."""

    max_share: float
    metric_dependencies = ("column.repeated_text_share",)
    success_keys = ("max_share",)

    def _validate(
        self,
        metrics: dict[str, Any],
        runtime_configuration: dict[str, Any] | None = None,
        execution_engine: ExecutionEngine[Any] | None = None,
    ) -> dict[str, Any]:
        share = metrics["column.repeated_text_share"]
        is_success = share is None or share <= self.max_share
        observed = "no texts" if share is None else f"{share:.1%} of texts repeat another"
        return {"success": is_success, "result": {"observed_value": observed}}


class ExpectLikeBefore(BatchExpectation):
    """A figure that was measured while the rows were staged lies within [`low`, `high`]."""

    value: float
    low: float | None = None
    high: float | None = None
    words: str
    metric_dependencies: ClassVar[tuple[str, ...]] = ("table.row_count",)
    success_keys: ClassVar[tuple[str, ...]] = ("value", "low", "high", "words")

    def _validate(
        self,
        metrics: dict[str, Any],
        runtime_configuration: dict[str, Any] | None = None,
        execution_engine: ExecutionEngine[Any] | None = None,
    ) -> dict[str, Any]:
        is_low = self.low is not None and self.value < self.low
        is_high = self.high is not None and self.value > self.high
        return {"success": not (is_low or is_high), "result": {"observed_value": self.words}}


class _LargestShareOfDay(TableMetricProvider):
    """The largest share one value of `group_column` has of any day with at least `min_rows`.

    Gives (value, its rows, rows of the day, day), or None where no value exceeds `max_share`.
    Groups too small to exceed it on the smallest such day are dropped before the join.
    """

    metric_name = "table.largest_share_of_day"
    value_keys = ("group_column", "min_rows", "max_share")

    @metric_value(engine=SqlAlchemyExecutionEngine)
    def _sqlalchemy(
        cls,  # noqa: N805
        execution_engine: SqlAlchemyExecutionEngine,
        metric_domain_kwargs: dict[str, Any],
        metric_value_kwargs: dict[str, Any],
        metrics: dict[str, Any],
        runtime_configuration: dict[str, Any],
    ) -> tuple[str, int, int, str] | None:
        rows = execution_engine.get_domain_records(metric_domain_kwargs)
        query = select_largest_share(rows, **metric_value_kwargs)
        found = execution_engine.execute_query(query).fetchone()
        if found is None:
            return None
        return str(found.value), int(found.n_rows), int(found.n_day), str(found.event_date)


def select_largest_share(
    rows: Any, *, group_column: str, min_rows: int, max_share: float
) -> sa.Select[Any]:
    """Statement that finds the group with the largest share of one day above `max_share`.

    Grain: one row at most: value, n_rows, n_day, event_date.
    """
    day: _Clause = sa.column("event_date")
    group: _Clause = sa.column(group_column)
    days = (
        sa.select(day, sa.func.count().label("n_day"))
        .select_from(rows)
        .group_by(day)
        .having(sa.func.count() >= min_rows)
        .cte()
    )
    groups = (
        sa.select(day, group.label("value"), sa.func.count().label("n_rows"))
        .select_from(rows)
        .group_by(day, group)
        .having(sa.func.count() > max_share * min_rows)
        .cte()
    )
    share = sa.cast(groups.c.n_rows, sa.Double) / days.c.n_day
    return (
        sa.select(groups.c.value, groups.c.n_rows, days.c.n_day, days.c.event_date)
        .join_from(groups, days, groups.c.event_date == days.c.event_date)
        .where(share > max_share)
        .order_by(share.desc(), days.c.event_date, groups.c.value)
        .limit(1)
    )


class ExpectNoLargeShareOfDay(BatchExpectation):
    """No value of `group_column` makes up more than `max_share` of a day of `min_rows` or more."""

    group_column: str
    min_rows: int
    max_share: float
    metric_dependencies: ClassVar[tuple[str, ...]] = ("table.largest_share_of_day",)
    success_keys: ClassVar[tuple[str, ...]] = ("group_column", "min_rows", "max_share")

    def _validate(
        self,
        metrics: dict[str, Any],
        runtime_configuration: dict[str, Any] | None = None,
        execution_engine: ExecutionEngine[Any] | None = None,
    ) -> dict[str, Any]:
        found = metrics["table.largest_share_of_day"]
        if found is None:
            return {"success": True, "result": {"observed_value": "none above the limit"}}
        value, n_rows, n_day, day = found
        observed = f"{n_rows:,} of {n_day:,} rows of {day} ({n_rows / n_day:.1%}) are by one"
        return {
            "success": False,
            "result": {"observed_value": observed, "unexpected_count": n_rows, "examples": [value]},
        }
