-- Macro: what makes two rows the same review. A user's review of an item is known by its time, so that an edited one is
-- no second review; a time at midnight is a day of which nobody knows the hour, and there only rows that are alike are one.
-- It is temporary, so that the warehouse that is written to does not keep it.
CREATE OR REPLACE TEMP MACRO review_key(review_id, user_id, item_id, reviewed_at) AS
    CASE
        WHEN epoch_us(reviewed_at) % 86400000000 = 0 THEN review_id
        ELSE concat_ws(chr(31), user_id, item_id, epoch_us(reviewed_at))
    END
