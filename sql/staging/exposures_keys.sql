-- Grain: one row per accepted row of a batch: its key, its place, and what a repetition may contradict.
-- Inputs: accepted (a batch of staged rows, numbered by `ordinal`), files(place, name).
INSERT INTO keys
SELECT exposure_id AS key, ordinal, files.place, line, is_clicked, "position"
FROM accepted
JOIN files ON files.name = accepted.file
