-- Grain: one row per accepted row that a later one repeats: its number in file order. Inputs: repeats.
SELECT ordinal FROM repeats ORDER BY ordinal
