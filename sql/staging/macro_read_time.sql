-- Macro: text as microseconds since 1970 in UTC, null when it cannot be read. `layout` is 's', 'ms',
-- 'us', 'ns', 'auto' (a number by its size, else ISO 8601) or a strptime format; a text without
-- an offset is UTC.
CREATE OR REPLACE MACRO read_time(value, layout) AS
    CASE
        WHEN layout = 's' THEN try_cast(try_cast(value AS DOUBLE) * 1e6 AS BIGINT)
        WHEN layout = 'ms' THEN try_cast(try_cast(value AS DOUBLE) * 1e3 AS BIGINT)
        WHEN layout = 'us' THEN try_cast(try_cast(value AS DOUBLE) AS BIGINT)
        WHEN layout = 'ns' THEN try_cast(try_cast(value AS DOUBLE) / 1e3 AS BIGINT)
        WHEN layout <> 'auto' THEN epoch_us(coalesce(try_strptime(value, layout), try_strptime(trim(value), layout)))
        WHEN try_cast(value AS DOUBLE) IS NULL THEN epoch_us(
            coalesce(try_cast(value AS TIMESTAMPTZ), try_cast(mend_time(value) AS TIMESTAMPTZ))
        )
        ELSE try_cast(
            try_cast(value AS DOUBLE) * CASE
                WHEN abs(try_cast(value AS DOUBLE)) < 1e11 THEN 1e6
                WHEN abs(try_cast(value AS DOUBLE)) < 1e14 THEN 1e3
                WHEN abs(try_cast(value AS DOUBLE)) < 1e17 THEN 1
                ELSE 1e-3
            END AS BIGINT
        )
    END
