-- Grain: one row per refused row of a batch, added to the refused ones.
-- Inputs: rejected(file, line, reason, raw_text), files.
INSERT INTO refused
SELECT files.place, line, reason, raw_text
FROM rejected
JOIN files ON files.name = rejected.file
