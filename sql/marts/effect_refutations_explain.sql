-- Grain: one refuter tried on one effect of one night.  $as_of $source $attribute $window_name $contrast
SELECT * FROM marts.effect_refutations
WHERE as_of = $as_of::DATE AND source = $source AND attribute = $attribute
    AND window_name = $window_name AND contrast = $contrast
ORDER BY refuter, note
