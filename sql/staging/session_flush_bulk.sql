-- As staging/session_flush, for many blocks freed at once.
SET allocator_bulk_deallocation_flush_threshold = '64MB'
