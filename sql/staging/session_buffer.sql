-- Rows wait for their reader in a buffer of this size: with the usual 1 MB the threads that fill it spend a
-- tenth of the processor on waiting for one another.
SET streaming_buffer_size = '8MB'
