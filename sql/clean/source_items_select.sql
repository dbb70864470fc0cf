-- Grain: one item of one source.  $source
SELECT item_id, title, brand, category, price_usd FROM clean.items WHERE source = $source ORDER BY item_id
