-- Tables as the first version of whyrec created them (85b3d08, 2026-11-22). Leave it as it is.
CREATE SCHEMA IF NOT EXISTS raw;
CREATE SCHEMA IF NOT EXISTS quarantine;
CREATE SCHEMA IF NOT EXISTS clean;
CREATE SCHEMA IF NOT EXISTS marts;
CREATE TABLE IF NOT EXISTS raw.drops (
    source VARCHAR, table_name VARCHAR, drop_id VARCHAR, drop_date DATE, kind VARCHAR, origin VARCHAR,
    drop_key VARCHAR, staged_path VARCHAR, staged_sha256 VARCHAR, staged_size BIGINT, dates DATE[],
    rows_read BIGINT, rows_published BIGINT, rows_quarantined BIGINT, rows_duplicate BIGINT,
    rows_repeated_in_drop BIGINT, reasons VARCHAR, drift VARCHAR, published_at TIMESTAMPTZ
);
CREATE TABLE IF NOT EXISTS quarantine.exposures (
    source VARCHAR, drop_id VARCHAR, table_name VARCHAR, file VARCHAR, line BIGINT, reason VARCHAR, raw_text VARCHAR
);
CREATE TABLE IF NOT EXISTS quarantine.items (
    source VARCHAR, drop_id VARCHAR, table_name VARCHAR, file VARCHAR, line BIGINT, reason VARCHAR, raw_text VARCHAR
);
CREATE TABLE IF NOT EXISTS quarantine.reviews (
    source VARCHAR, drop_id VARCHAR, table_name VARCHAR, file VARCHAR, line BIGINT, reason VARCHAR, raw_text VARCHAR
);
CREATE TABLE IF NOT EXISTS quarantine.users (
    source VARCHAR, drop_id VARCHAR, table_name VARCHAR, file VARCHAR, line BIGINT, reason VARCHAR, raw_text VARCHAR
);
CREATE TABLE IF NOT EXISTS clean.exposures (
    exposure_id VARCHAR, source VARCHAR, user_id VARCHAR, item_id VARCHAR, exposed_at TIMESTAMPTZ,
    event_date DATE, policy VARCHAR, position INTEGER, propensity DOUBLE, is_clicked BOOLEAN,
    is_converted BOOLEAN, context VARCHAR, drop_id VARCHAR
);
CREATE TABLE IF NOT EXISTS clean.items (
    item_id VARCHAR, source VARCHAR, title VARCHAR, description VARCHAR, brand VARCHAR,
    category VARCHAR, price_usd DOUBLE, drop_id VARCHAR
);
CREATE TABLE IF NOT EXISTS clean.partitions (
    table_name VARCHAR, source VARCHAR, event_date DATE, row_count BIGINT, fingerprint VARCHAR
);
CREATE TABLE IF NOT EXISTS clean.reviews (
    review_id VARCHAR, source VARCHAR, user_id VARCHAR, item_id VARCHAR, reviewed_at TIMESTAMPTZ,
    event_date DATE, rating DOUBLE, title VARCHAR, text VARCHAR, text_sha256 VARCHAR,
    helpful_votes BIGINT, total_votes BIGINT, is_verified BOOLEAN, drop_id VARCHAR
);
CREATE TABLE IF NOT EXISTS clean.users (user_id VARCHAR, source VARCHAR, features VARCHAR, drop_id VARCHAR);
CREATE TABLE IF NOT EXISTS marts.effects (
    as_of DATE, source VARCHAR, window_name VARCHAR, window_start DATE, window_end DATE, outcome VARCHAR,
    attribute VARCHAR, contrast VARCHAR, estimator VARCHAR, estimate DOUBLE, std_error DOUBLE,
    ci_low DOUBLE, ci_high DOUBLE, q_value DOUBLE, naive DOUBLE, naive_ci_low DOUBLE, naive_ci_high DOUBLE,
    n BIGINT, n_positive BIGINT, n_negative BIGINT, verdict VARCHAR, reasons VARCHAR
);
CREATE TABLE IF NOT EXISTS marts.published (
    table_name VARCHAR, source VARCHAR, start_date DATE, end_date DATE, fingerprint VARCHAR, row_count BIGINT
);
CREATE TABLE IF NOT EXISTS marts.quality (
    source VARCHAR, table_name VARCHAR, drop_id VARCHAR, as_of DATE, expectation VARCHAR, column_name VARCHAR,
    severity VARCHAR, is_success BOOLEAN, observed VARCHAR, allowed VARCHAR, n_unexpected BIGINT,
    n_rows BIGINT, examples VARCHAR, breaks VARCHAR
);
CREATE TABLE IF NOT EXISTS marts.review_attributes (
    source VARCHAR, event_date DATE, review_id VARCHAR, attribute VARCHAR, is_mentioned BOOLEAN,
    polarity TINYINT, confidence DOUBLE, span_start INTEGER, span_end INTEGER
);
CREATE TABLE IF NOT EXISTS marts.runs (
    run_id VARCHAR, flow VARCHAR, as_of DATE, status VARCHAR, started_at TIMESTAMPTZ, seconds DOUBLE,
    night_key VARCHAR, snapshot_read BIGINT, snapshot_published BIGINT, tasks_ran BIGINT, tasks_cached BIGINT,
    tasks_retried BIGINT, tasks_failed BIGINT, tasks_skipped BIGINT, rows_read BIGINT, rows_published BIGINT,
    rows_quarantined BIGINT, rows_duplicate BIGINT, report VARCHAR
);
ALTER TABLE clean.exposures SET PARTITIONED BY (source, year(event_date), month(event_date));
ALTER TABLE clean.reviews SET PARTITIONED BY (source, year(event_date), month(event_date));
