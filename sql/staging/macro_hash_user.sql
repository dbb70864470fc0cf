-- Macro: HMAC-SHA256 (RFC 2104) of an id under the key that the two 64-byte pads are derived from,
-- cut to 32 hex digits; the id itself when the pads are null.
CREATE OR REPLACE MACRO hash_user(id, inner_pad, outer_pad) AS
    CASE
        WHEN inner_pad IS NULL THEN id
        ELSE sha256(outer_pad::BLOB || unhex(sha256(inner_pad::BLOB || encode(id))))[:32]
    END
