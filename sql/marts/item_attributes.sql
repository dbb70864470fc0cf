-- Grain: one attribute that reviews of an item speak of, with the newest night's effect of praise over its longest
-- window, and the most confident praise.  $source $item_id
WITH own AS (
    SELECT review_id, text FROM clean.reviews WHERE source = $source AND item_id = $item_id
),
said AS (
    SELECT a.*, own.text FROM marts.review_attributes AS a JOIN own USING (review_id)
    WHERE a.source = $source AND a.is_mentioned
),
counts AS (
    SELECT
        attribute, (SELECT count(*) FROM own) AS n_reviews, count(*) FILTER (polarity > 0) AS n_positive,
        count(*) FILTER (polarity < 0) AS n_negative
    FROM said GROUP BY attribute
),
praise AS (
    SELECT attribute, text, span_start, span_end FROM said WHERE polarity > 0
    QUALIFY row_number() OVER (PARTITION BY attribute ORDER BY confidence DESC, review_id) = 1
),
effects AS (
    SELECT attribute, estimate, verdict FROM marts.effects
    WHERE source = $source AND contrast = 'positive' AND estimator = 'plr'
    QUALIFY row_number() OVER (PARTITION BY attribute ORDER BY as_of DESC, window_start) = 1
)
SELECT counts.*, effects.estimate AS effect, effects.verdict, praise.text, praise.span_start, praise.span_end
FROM counts LEFT JOIN praise USING (attribute) LEFT JOIN effects USING (attribute)
ORDER BY n_positive DESC, attribute
