-- Files hold one month of one source, so that a window reads few of them.
ALTER TABLE clean.exposures SET PARTITIONED BY (source, year(event_date), month(event_date))
