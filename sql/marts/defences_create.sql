-- Grain: one night, attack, target, subject, size, defence and measure. Detection is counted in accounts.
CREATE TABLE IF NOT EXISTS marts.defences (
    as_of DATE,  -- night: the last date that it saw
    source VARCHAR,  -- name of the source, as in [[sources]] or of an import
    surface VARCHAR,  -- what is attacked: behaviour, text or embedding
    attack VARCHAR,  -- name of the attack
    target VARCHAR,  -- what should be misled: effects or recommender
    subject VARCHAR,  -- attribute, items or account that it is about
    share DOUBLE,  -- size of the attack, as a share of the real reviews
    defence VARCHAR,  -- what was tried against it
    measure VARCHAR,  -- what is measured: the contrast of an effect, or a hit rate
    auc DOUBLE,  -- ranking of fake above genuine accounts, 0.5 is chance
    false_alarms_at DOUBLE,  -- share of genuine accounts that may be flagged
    precision DOUBLE,  -- share of the flagged accounts that are fake
    recall DOUBLE,  -- share of the fake accounts that are flagged
    false_alarm_rate DOUBLE,  -- share of the genuine accounts that are flagged
    flagged BIGINT,  -- accounts flagged
    hits BIGINT,  -- of these, fake
    fakes BIGINT,  -- fake accounts there were
    clean DOUBLE,  -- the measure without attack
    attacked DOUBLE,  -- the measure under attack
    defended DOUBLE,  -- the measure under attack and with the defence
    shift DOUBLE,  -- defended minus clean; of effects in clean standard errors
    is_back BOOLEAN,  -- whether the verdict is the clean one again
    seed BIGINT  -- seed of whatever was drawn at random
)
