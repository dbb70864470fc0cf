-- Macro: both masks of contacts, e-mail first.
CREATE OR REPLACE MACRO mask_contacts(value) AS mask_phones(mask_emails(value))
