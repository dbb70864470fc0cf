-- Grain: one example of one attack of one night, before and after.
CREATE TABLE IF NOT EXISTS marts.attack_examples (
    as_of DATE, source VARCHAR, surface VARCHAR, attack VARCHAR, target VARCHAR, subject VARCHAR,
    example BIGINT, outcome VARCHAR, before_text VARCHAR, after_text VARCHAR, before_answer VARCHAR,
    after_answer VARCHAR, note VARCHAR
)
