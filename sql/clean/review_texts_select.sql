-- Grain: one of the named reviews of one source, with its text.  $source $review_ids
SELECT review_id, text FROM clean.reviews WHERE source = $source AND review_id IN (SELECT unnest($review_ids))
