"""Suites that a staged partition passes before it is published to the `clean` layer."""
