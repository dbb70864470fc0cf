-- Grain: one example of one attack of one night, before and after.
CREATE TABLE IF NOT EXISTS marts.attack_examples (
    as_of DATE,  -- night: the last date that it saw
    source VARCHAR,  -- name of the source, as in [[sources]] or of an import
    surface VARCHAR,  -- what is attacked: behaviour, text or embedding
    attack VARCHAR,  -- name of the attack
    target VARCHAR,  -- what should be misled: effects or recommender
    subject VARCHAR,  -- attribute, items or account that it is about
    example BIGINT,  -- number of the example
    outcome VARCHAR,  -- succeeded, failed, skipped, or flagged (a real account that looks fake)
    before_text VARCHAR,  -- text before the attack
    after_text VARCHAR,  -- text after it
    before_answer VARCHAR,  -- what was answered before
    after_answer VARCHAR,  -- what was answered after
    note VARCHAR  -- JSON: what else is known
)
