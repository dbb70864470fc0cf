-- Let deliveries be published again that were taken back.  $restored_at $labels (list of "source/drop_id/table")
UPDATE raw.withdrawals SET restored_at = $restored_at::TIMESTAMPTZ
WHERE restored_at IS NULL
    AND source || '/' || drop_id || '/' || table_name IN (SELECT unnest($labels::VARCHAR[]))
