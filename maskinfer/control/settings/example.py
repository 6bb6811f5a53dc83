"""The settings file to begin with."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from maskinfer.engine.errors import OutputError, RequestError


def example() -> str:
    """Return a commented settings file."""
    return files("maskinfer.control.settings").joinpath("example.toml").read_text(encoding="utf-8")


def write_example(path: Path) -> None:
    """Write the commented settings file; one that is there is left as it is.

    Raises:
        RequestError: there is such a file. OutputError: it cannot be written.
    """
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(example())
    except FileExistsError as error:
        raise RequestError(f"{path} is there already, and is left as it is: name another file") from error
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror}") from error
