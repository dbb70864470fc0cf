-- Grain: one night, attack, target, subject, size and measure. `share` is of the real data; `shift` of effects is in
-- clean standard errors; `detail` is JSON.
CREATE TABLE IF NOT EXISTS marts.attacks (
    as_of DATE,  -- night: the last date that it saw
    source VARCHAR,  -- name of the source, as in [[sources]] or of an import
    surface VARCHAR,  -- what is attacked: behaviour, text or embedding
    attack VARCHAR,  -- name of the attack
    target VARCHAR,  -- what should be misled: effects, recommender or extractor
    subject VARCHAR,  -- attribute, items or account that it is about
    share DOUBLE,  -- size of the attack, as a share of the real reviews
    measure VARCHAR,  -- what is measured: the contrast of an effect, or a hit rate
    clean DOUBLE,  -- the measure without the attack
    attacked DOUBLE,  -- the measure with it
    shift DOUBLE,  -- attacked minus clean; of effects in clean standard errors
    clean_verdict VARCHAR,  -- verdict without the attack
    attacked_verdict VARCHAR,  -- verdict with it
    is_sign_flipped BOOLEAN,  -- whether the effect changed its sign
    is_verdict_flipped BOOLEAN,  -- whether the verdict changed
    smallest_share DOUBLE,  -- smallest attack that changes the verdict, as a share; null: none up to looked_to
    looked_to DOUBLE,  -- largest share that was looked at for it
    attempted BIGINT,  -- attacks tried
    succeeded BIGINT,  -- of these, succeeded
    failed BIGINT,  -- of these, failed
    skipped BIGINT,  -- attacks not tried
    skip_reason VARCHAR,  -- why not
    queries BIGINT,  -- questions asked of the victim
    seed BIGINT,  -- seed of whatever was drawn at random
    detail VARCHAR,  -- JSON: what else was measured
    not_attempted BIGINT  -- attempts that a budget left over
)
