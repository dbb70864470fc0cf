"""One suite of expectations per published table: `expectations/<layer>/<table>.py`.

Importing this package is cheap; importing a suite imports Great Expectations, which takes seconds.
"""
