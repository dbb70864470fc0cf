-- Grain: one row. Fails when $layout is no strptime format. Parameters: $layout.
SELECT try_strptime('', $layout)
