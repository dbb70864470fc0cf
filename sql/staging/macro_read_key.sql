-- Macro: an identifier without the blanks around it, null when nothing is left.
CREATE OR REPLACE MACRO read_key(value) AS nullif(trim(value, ' ' || chr(9) || chr(10) || chr(13)), '')
