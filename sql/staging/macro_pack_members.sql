-- Macro: named values as the text of a flat JSON object; what reads as a finite number is one (see read_number; but
-- "007" is a code), an absent, blank or undefined value is null: a single blank cell would else make text of all ages.
CREATE OR REPLACE MACRO pack_members(names, members) AS
    '{' || list_aggregate(
        list_transform(
            list_zip(names, members),
            lambda pair: to_json(pair[1]) || ':' || CASE
                WHEN pair[2] IS NULL OR trim(pair[2]) = '' OR pair[2] = 'nan' OR pair[2] = 'NaN' THEN 'null'
                WHEN regexp_full_match(pair[2], '-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]{1,2})?')
                    THEN pair[2]
                WHEN regexp_full_match(trim(pair[2]), '[+-]?(0|[1-9][0-9.,]*)?([.,][0-9]+)?')
                    AND isfinite(read_number(trim(pair[2])))
                    THEN to_json(read_number(trim(pair[2])))
                ELSE to_json(pair[2])
            END
        ),
        'string_agg', ','
    ) || '}'
