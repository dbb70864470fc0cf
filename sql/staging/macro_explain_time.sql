-- Macro: why a time is refused, null when it is good. `at_us` is the time read, `earliest_us` and
-- `latest_us` bound it from below (inclusive) and above (exclusive), in microseconds.
CREATE OR REPLACE MACRO explain_time(name, value, at_us, earliest_us, latest_us) AS
    CASE
        WHEN at_us >= earliest_us AND at_us < latest_us THEN NULL
        WHEN value IS NULL THEN 'missing ' || name || ': every row needs one'
        WHEN at_us IS NULL THEN name || ' is not a time: ' || show_value(value)
        WHEN at_us < earliest_us THEN name || ' too early: ' || show_value(value) || ' is before '
            || strftime(make_timestamp(earliest_us), '%Y-%m-%d')
            || CASE
                WHEN try_cast(value AS DOUBLE) * 1e6 <> at_us THEN ''
                WHEN regexp_matches(trim(value), '^(19|20)\d{6}$')
                    THEN ', read as seconds since 1970: for a date set timestamp_format = "%Y%m%d" in the mapping'
                WHEN try_cast(value AS DOUBLE) IS NOT NULL
                    THEN ', read as seconds since 1970: if it is not that, set timestamp_unit or timestamp_format'
                ELSE ''
            END
        ELSE name || ' too late: ' || show_value(value) || ' is after '
            || strftime(make_timestamp(latest_us - 1), '%Y-%m-%d')
    END
