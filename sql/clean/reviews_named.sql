-- Grain: one published review of those named, up to $as_of.  $review_ids $as_of
SELECT review_id, source, event_date FROM clean.reviews
WHERE review_id IN (SELECT unnest($review_ids::VARCHAR[])) AND event_date <= $as_of::DATE
