"""Settings, errors, caching, the lake and the warehouse: what every room stands on."""
