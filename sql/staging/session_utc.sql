-- Times without an offset are UTC for this connection.
SET TimeZone = 'UTC'
