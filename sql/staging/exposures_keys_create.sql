-- Grain: one row per accepted row of the drop; `ordinal` numbers them in file order, `place` is that of
-- a file in the drop.
CREATE TABLE keys (key VARCHAR, ordinal BIGINT, place INTEGER, line BIGINT, is_clicked BOOLEAN, "position" INTEGER)
