-- Freed memory goes back to the system early: reading JSON frees as much as it takes, and by default
-- what is kept for later grows to twice what is in use.
SET allocator_flush_threshold = '64MB'
