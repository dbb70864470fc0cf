-- Macro: phone numbers in a text become [phone]. Two sieves come first, since most text has none: any
-- digit at all (plain searches, almost free), then seven digits close together. Bare digit runs are
-- left alone unless a word such as "call" or "phone" stands before them, so that model numbers,
-- ISBNs, prices, years and ranges ("20-20000") stay.
CREATE OR REPLACE MACRO mask_phones(value) AS
    CASE
        WHEN NOT (
            contains(value, '0') OR contains(value, '1') OR contains(value, '2')
            OR contains(value, '3') OR contains(value, '4') OR contains(value, '5')
            OR contains(value, '6') OR contains(value, '7') OR contains(value, '8')
            OR contains(value, '9')
        ) THEN value
        WHEN regexp_matches(value, '[0-9][ ().-]{0,2}[0-9]{2}[ ().-]{0,2}[0-9]{2}[ ().-]{0,2}[0-9]{2}')
            THEN regexp_replace(
                regexp_replace(
                    value,
                    '(^|[^\w.+-])(?:(?:\+|00)[1-9][0-9]{0,2}[ .-]?(?:\(0?[0-9]{1,4}\)[ .-]?)?(?:[0-9]{2,4}[ .-]?){2,4}[0-9]{2,4}|(?:1[ .-]?)?(?:\([0-9]{3}\) ?|[0-9]{3}[.-])[0-9]{3}[ .-][0-9]{4}|[0-9]{3} [0-9]{3}[ -][0-9]{4}|0[0-9]{2,4}[ -][0-9]{3,4}[ -][0-9]{3,4})(?:$|\b)',
                    '\1[phone]',
                    'g'
                ),
                '(?i)(\b(?:call|phone|telephone|tel|text|txt|mobile|cell|whatsapp|fax|contact|reach)(?:\s+(?:me|us|him|her|them|now|today|at|on|is|number|no|nr))*[\s:.#-]{1,3})\+?[0-9][0-9 ().-]{5,16}[0-9]\b',
                '\1[phone]',
                'g'
            )
        ELSE value
    END
