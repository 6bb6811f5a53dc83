"""Every error that maskinfer raises on purpose, in one tree.

::

    MaskinferError                  (Exception)
    ├── RequestError                (ValueError)         what was asked for cannot be done as asked
    ├── MissingExtraError           (ImportError)        an optional dependency is not installed
    ├── SourceError                 (OSError)            an image, video or camera cannot be read
    │   ├── SourceNotFoundError     (FileNotFoundError)
    │   ├── SourceDeniedError       (PermissionError)    a camera refuses the name or the password
    │   └── TruncatedSourceError    (EOFError)           ended early; what came before was delivered
    ├── OutputError                 (OSError)            a result cannot be written
    ├── DisplayError                (RuntimeError)       no window can be opened
    ├── ClusterError                (ConnectionError)    there is no cluster of machines, or it was gone for too long
    ├── ModelError                  (ValueError)         a file is no model that can be used here
    │   ├── ModelNotFoundError      (FileNotFoundError)
    │   └── ContractError           (ValueError)         the contract is missing, unreadable or broken
    ├── DownloadError               (ConnectionError)    a model could not be fetched
    ├── ProviderError               (RuntimeError)       an execution provider is not active
    └── ParityError                 (ArithmeticError)    an exported graph disagrees with its origin

Each class is also a builtin's kind, so ``except OSError`` does what it says. A message is one line: what was
wrong, what was expected, what to do. ``exit_code`` is what the command line ends with: 2 when nothing was begun, 1
when a job failed on the way.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = [
    "ClusterError",
    "ContractError",
    "DisplayError",
    "DownloadError",
    "MaskinferError",
    "MissingExtraError",
    "ModelError",
    "ModelNotFoundError",
    "OutputError",
    "ParityError",
    "ProviderError",
    "RequestError",
    "SourceDeniedError",
    "SourceError",
    "SourceNotFoundError",
    "TruncatedSourceError",
]


OUT_OF_SPACE = frozenset({errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)})
"""Numbers of an OSError that mean a full disk or an exhausted quota."""

OnError = Callable[[str], None]
"""Called with one line for each fault that ends nothing: the job goes on, and the line is kept and shown."""


def printable(text: str) -> str:
    r"""Return a text as a terminal may be given it: what would command the terminal is escaped.

    Names of files and sources are other people's data.

    >>> printable("a\x1b[2J.mp4")
    'a\\x1b[2J.mp4'
    >>> printable("caf\udce9.jpg")  # a byte of a name that is not UTF-8
    'caf\\xe9.jpg'
    """
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()


class MaskinferError(Exception):
    """Base of every error that maskinfer raises on purpose."""

    exit_code = 1

    def __str__(self) -> str:
        """Return the message on one line, also for kinds like OSError that would decorate it."""
        return printable(" ".join(str(self.args[0]).split())) if self.args else self.__class__.__name__


@contextmanager
def nothing_begun() -> Iterator[None]:
    """Mark what is raised in the block as that of a job of which nothing was begun, with the exit code for that."""
    try:
        yield
    except MaskinferError as error:
        error.exit_code = RequestError.exit_code
        raise


class RequestError(MaskinferError, ValueError):
    """What was asked for cannot be done as asked; nothing was begun."""

    exit_code = 2


class MissingExtraError(MaskinferError, ImportError):
    """An optional dependency is not installed."""

    exit_code = 2

    def __init__(self, what: str, extra: str) -> None:
        self.extra = extra
        super().__init__(f"{what} is not installed: run  pip install 'maskinfer[{extra}]'")


class SourceError(MaskinferError, OSError):
    """An image, a video or a camera cannot be read."""


class SourceNotFoundError(SourceError, FileNotFoundError):
    """There is no such source."""

    exit_code = 2


class SourceDeniedError(SourceError, PermissionError):
    """A camera or a server refuses the user name or the password."""


class TruncatedSourceError(SourceError, EOFError):
    """A source ended before its declared end; every frame before that was delivered."""


class OutputError(MaskinferError, OSError):
    """A result cannot be written."""


class DisplayError(MaskinferError, RuntimeError):
    """No window can be opened here."""


class ClusterError(MaskinferError, ConnectionError):
    """There is no cluster of machines at an address, or it was gone for too long."""


class ModelError(MaskinferError, ValueError):
    """A file is no model, or no model of the kind that was asked for."""

    exit_code = 2


class ModelNotFoundError(ModelError, FileNotFoundError):
    """There is no model of that name or path."""


class ContractError(ModelError):
    """The contract in a model's metadata is missing, unreadable, or does not fit the graph."""


class DownloadError(MaskinferError, ConnectionError):
    """A model could not be fetched; what came is kept and gone on with."""


class ProviderError(MaskinferError, RuntimeError):
    """An execution provider that was asked for is not active."""

    exit_code = 2


class ParityError(MaskinferError, ArithmeticError):
    """An exported graph disagrees with the model it came from."""
