-- Grain: one row per id, in order. Inputs: ids(value). Parameters: $inner_pad, $outer_pad.
SELECT hash_user(value, $inner_pad, $outer_pad) AS value FROM ids
