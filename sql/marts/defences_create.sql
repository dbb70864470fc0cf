-- Grain: one night, attack, target, subject, size, defence and measure. Detection is counted in accounts.
CREATE TABLE IF NOT EXISTS marts.defences (
    as_of DATE, source VARCHAR, surface VARCHAR, attack VARCHAR, target VARCHAR, subject VARCHAR,
    share DOUBLE, defence VARCHAR, measure VARCHAR, auc DOUBLE, false_alarms_at DOUBLE, precision DOUBLE,
    recall DOUBLE, false_alarm_rate DOUBLE, flagged BIGINT, hits BIGINT, fakes BIGINT, clean DOUBLE,
    attacked DOUBLE, defended DOUBLE, shift DOUBLE, is_back BOOLEAN, seed BIGINT
)
