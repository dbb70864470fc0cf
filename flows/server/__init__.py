"""The server, its workers, the schedule and the reports' address: what `whyrec up` keeps alive."""
