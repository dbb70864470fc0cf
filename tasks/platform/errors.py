"""The error tree. Two branches say what a retry can mend.

    WhyrecError                     anything this product raises on purpose
    ├── TransientError              another attempt may succeed: retried with backoff
    │   ├── WarehouseBusyError      another process holds the warehouse for longer than we wait
    │   ├── StorageError            a read or write failed (disk, object store, catalog)
    │   ├── OutOfMemoryError        a batch did not fit on the device
    │   └── AlertError              a message did not get through; never stops a night
    └── TerminalError               another attempt gives the same answer: fails at once
        ├── ConfigError             settings or arguments are wrong              (exit code 2)
        ├── InputError              a named file or table is not what was asked  (exit code 2)
        ├── SchemaError             required columns are missing                 (exit code 1)
        ├── TooManyBadRowsError     more of a drop is malformed than is allowed  (exit code 1)
        ├── GateError               a critical expectation failed                (exit code 3)
        └── EstimationError         the data cannot answer the question          (exit code 1)

A message says what was found, what was allowed, and what to do.
"""

from typing import ClassVar

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_BAD_ARGUMENTS = 2
EXIT_GATE = 3


class WhyrecError(Exception):
    """Root of everything raised on purpose; `exit_code` is what the command ends with."""

    exit_code: ClassVar[int] = EXIT_FAILED


class TransientError(WhyrecError):
    """Another attempt may succeed."""


class WarehouseBusyError(TransientError):
    """The warehouse stayed locked for longer than the allowed wait."""


class StorageError(TransientError):
    """A file could not be read or written."""


class OutOfMemoryError(TransientError):
    """A batch did not fit; the caller retries with a smaller one."""


class AlertError(TransientError):
    """A message did not get through; `is_worth_retrying` says whether another try may."""

    def __init__(self, message: str, *, is_worth_retrying: bool = True) -> None:
        super().__init__(message)
        self.is_worth_retrying = is_worth_retrying


class TerminalError(WhyrecError):
    """Another attempt would give the same answer."""


class ConfigError(TerminalError):
    """Settings or arguments are wrong."""

    exit_code = EXIT_BAD_ARGUMENTS


class InputError(TerminalError):
    """A named file or table is missing or is not what was asked for."""

    exit_code = EXIT_BAD_ARGUMENTS


class SchemaError(TerminalError):
    """Required columns are missing."""


class TooManyBadRowsError(TerminalError):
    """A drop has a larger share of malformed rows than is allowed."""


class GateError(TerminalError):
    """A critical expectation failed; nothing was published."""

    exit_code = EXIT_GATE


class EstimationError(TerminalError):
    """The data cannot answer the question that was asked."""
