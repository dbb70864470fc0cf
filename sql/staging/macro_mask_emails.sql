-- Macro: e-mail addresses in a text become [email]; text without "@" is passed on unread.
CREATE OR REPLACE MACRO mask_emails(value) AS
    CASE
        WHEN contains(value, '@') THEN regexp_replace(
            value,
            '[\p{L}\p{N}._%+-]+ ?@ ?[\p{L}\p{N}-]+(?:\.[\p{L}\p{N}-]+)*\.\p{L}{2,24}',
            '[email]',
            'g'
        )
        ELSE value
    END
