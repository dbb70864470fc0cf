-- Macro: named values as the text of a flat JSON object; what reads as a finite number is one, an
-- absent value is null.
CREATE OR REPLACE MACRO pack_members(names, members) AS
    '{' || list_aggregate(
        list_transform(
            list_zip(names, members),
            lambda pair: to_json(pair[1]) || ':' || CASE
                WHEN pair[2] IS NULL THEN 'null'
                WHEN regexp_full_match(pair[2], '-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]{1,2})?')
                    THEN pair[2]
                ELSE to_json(pair[2])
            END
        ),
        'string_agg', ','
    ) || '}'
