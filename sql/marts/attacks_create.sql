-- Grain: one night, attack, target, subject, size and measure. `share` is of the real data; `shift` of effects is in
-- clean standard errors; `detail` is JSON.
CREATE TABLE IF NOT EXISTS marts.attacks (
    as_of DATE, source VARCHAR, surface VARCHAR, attack VARCHAR, target VARCHAR, subject VARCHAR,
    share DOUBLE, measure VARCHAR, clean DOUBLE, attacked DOUBLE, shift DOUBLE, clean_verdict VARCHAR,
    attacked_verdict VARCHAR, is_sign_flipped BOOLEAN, is_verdict_flipped BOOLEAN, smallest_share DOUBLE,
    looked_to DOUBLE, attempted BIGINT, succeeded BIGINT, failed BIGINT, skipped BIGINT, skip_reason VARCHAR,
    queries BIGINT, seed BIGINT, detail VARCHAR, not_attempted BIGINT
)
