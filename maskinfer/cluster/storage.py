"""Files by path or URL: listed, fetched, and put in their places whole or not at all.

A place is a path, or a URL that fsspec knows, such as ``s3://bucket/archive`` or ``sftp://host/archive``. No message
shows what is secret of it.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote

from maskinfer.engine.errors import MissingExtraError, OutputError, RequestError, SourceError, SourceNotFoundError
from maskinfer.engine.files.atomic import atomic_write
from maskinfer.engine.files.places import make_folder
from maskinfer.engine.files.urls import HIDDEN, is_url, public_name

_CHUNK_BYTES = 1 << 20
# There a file appears whole when it is written, and a renaming would be a copy.
_OBJECT_STORES = {"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "oss", "oci"}
# The paths of these name buckets and folders, no secrets.
_FOLDERS = _OBJECT_STORES | {"sftp", "ssh", "ftp", "smb", "hdfs", "memory"}
OnRead = Callable[[], None]


def is_remote(place: str) -> bool:
    """Tell whether a place is a URL, rather than a path."""
    return is_url(place)


def shown(place: str) -> str:
    """Return a place as it may be shown: without name, password and query.

    >>> shown("sftp://guard:hunter2@files.local/archive/2026-11-26-door-1.mp4?token=9f3a")
    'sftp://files.local/archive/2026-11-26-door-1.mp4'
    """
    if not is_remote(place) or place.partition("://")[0].lower() not in _FOLDERS:
        return public_name(place)
    scheme, _, rest = place.partition("://")
    rest = rest.partition("?")[0].partition("#")[0]
    authority, slash, path = rest.partition("/")
    if "@" in path and "@" not in authority:  # a "/" in a password
        return f"{scheme}://{HIDDEN}"
    return f"{scheme}://{authority.rpartition('@')[2]}{slash}{path}"


def below(place: str, relative: str) -> str:
    """Return the place of a file below a folder; ``relative`` has slashes."""
    return f"{place.rstrip('/')}/{relative}" if is_remote(place) else str(Path(place, relative))


def files_below(folder: str) -> dict[str, int]:
    """Return the sizes in bytes of all files below a URL's folder, by their paths below it; of a file, it alone.

    Raises:
        SourceError: it cannot be listed.
    """
    with _as_error(folder, SourceError, "cannot be listed"):
        system, path = open_system(folder)
        found = system.find(path, detail=True)
    root = path.rstrip("/")
    return {
        str(name)[len(root) :].lstrip("/") or root.rpartition("/")[2]: int(about.get("size") or 0)
        for name, about in sorted(found.items())
    }


def matching(pattern: str) -> list[str]:
    """Return the URLs of the files that a pattern with ``*`` matches.

    Raises:
        SourceError: it cannot be listed.
    """
    with _as_error(pattern, SourceError, "cannot be listed"):
        system, path = open_system(pattern)
        found = [str(name) for name, about in system.glob(path, detail=True).items() if about["type"] == "file"]
    # Of the pattern's own spelling, which may hold a name and a password.
    return [pattern[: len(pattern) - len(path)] + name for name in sorted(found)] if pattern.endswith(path) else []


def fetch(place: str, target: Path, on_read: OnRead) -> None:
    """Copy a file to this machine.

    Raises:
        SourceError: it cannot be read. OSError: ``target`` cannot be written.
    """
    with target.open("wb") as file, _as_error(place, SourceError, "cannot be read"):
        system, path = open_system(place)
        with system.open(path, "rb", block_size=8 * _CHUNK_BYTES) as remote:
            _copy(remote, file, on_read)


def publish(source: Path, place: str, on_read: OnRead) -> None:
    """Copy a file of this machine to its place, where it appears whole.

    Raises:
        OutputError: it cannot be written.
    """
    if not is_remote(place):
        make_folder(Path(place).parent)
        is_private = not source.stat().st_mode & 0o077
        whole = atomic_write(Path(place), shows_people=is_private)
        with whole as part, source.open("rb") as file, part.open("wb") as out:
            _copy(file, out, on_read)
        return
    with _as_error(place, OutputError, "cannot be written"):
        system, path = open_system(place)
        if place.partition("://")[0].lower() in _OBJECT_STORES:
            _put(system, source, path, on_read)
            return
        parent, _, name = path.rpartition("/")
        system.makedirs(parent, exist_ok=True)
        part_name = f"{parent}/.{name}.{secrets.token_hex(4)}.part"
        try:
            _put(system, source, part_name, on_read)
            if system.exists(path):  # not every server renames onto a file
                system.rm(path)
            system.mv(part_name, path)
        except BaseException:
            with suppress(Exception):
                system.rm(part_name)
            raise


def publish_text(text: str, place: str) -> None:
    """Write a small file, which appears whole.

    Raises:
        OutputError: it cannot be written.
    """
    if not is_remote(place):
        make_folder(Path(place).parent)
        with atomic_write(Path(place), shows_people=True) as part:
            part.write_text(text, encoding="utf-8")
        return
    with _as_error(place, OutputError, "cannot be written"):
        system, path = open_system(place)
        if place.partition("://")[0].lower() not in _OBJECT_STORES:
            system.makedirs(path.rpartition("/")[0], exist_ok=True)
        system.pipe_file(path, text.encode())


def read_bytes(place: str) -> bytes | None:
    """Return what is in a file; None when it is not there.

    Raises:
        SourceError: it cannot be read.
    """
    try:
        if not is_remote(place):
            return Path(place).read_bytes()
        with _as_error(place, SourceError, "cannot be read"):
            system, path = open_system(place)
            return bytes(system.cat_file(path))
    except (FileNotFoundError, NotADirectoryError):
        return None


def remove(place: str) -> None:
    """Remove a file if it is there; what cannot be removed stays."""
    with suppress(Exception):
        if is_remote(place):
            system, path = open_system(place)
            system.rm_file(path)
        else:
            Path(place).unlink(missing_ok=True)


def names_in(folder: str) -> list[str]:
    """Return the names of the files right in a folder; none where there is no such folder."""
    if not is_remote(folder):
        return sorted(file.name for file in Path(folder).iterdir()) if Path(folder).is_dir() else []
    return sorted(name for name in files_below(folder) if "/" not in name)


def open_system(place: str) -> tuple[Any, str]:
    """Return fsspec's file system of a URL, and the path in it; what was listed before is listed anew.

    Raises:
        MissingExtraError: fsspec is not installed. RequestError: nothing is installed that knows the URL's scheme.
    """
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise MissingExtraError("fsspec", "cluster") from error
    scheme = place.partition("://")[0]
    try:
        system, path = url_to_fs(place, use_listings_cache=False)
    except (ImportError, ValueError) as error:
        hint = str(error) if isinstance(error, ImportError) else "fsspec does not know it"
        raise RequestError(f"{scheme}:// cannot be used here: {hint}") from None
    return system, str(path)


def _put(system: Any, source: Path, path: str, on_read: OnRead) -> None:
    with source.open("rb") as file, system.open(path, "wb", block_size=8 * _CHUNK_BYTES) as remote:
        _copy(file, remote, on_read)


def _copy(source: IO[bytes], target: IO[bytes], on_read: OnRead) -> None:
    while chunk := source.read(_CHUNK_BYTES):
        target.write(chunk)
        on_read()


@contextmanager
def _as_error(place: str, kind: type[SourceError] | type[OutputError], what: str) -> Iterator[None]:
    """Turn whatever a file system raises into our own, without what is secret in it."""
    try:
        yield
    except (SourceError, OutputError, RequestError, MissingExtraError):
        raise
    except FileNotFoundError:
        if kind is SourceError:
            raise SourceNotFoundError(f"there is no file {shown(place)}") from None
        raise OutputError(f"{shown(place)} {what}: there is no such place") from None
    except Exception as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raised = kind(f"{shown(place)} {what}: {without_secrets(str(reason), place)}")
        raised.errno = getattr(error, "errno", None)
        raise raised from None


def without_secrets(text: str, place: str) -> str:
    """Return a text in which nothing is left of what is secret in a place."""
    if not is_remote(place):
        return text
    rest = place.partition("://")[2]
    # A password may hold a "/", "?" or "#".
    password = rest.rpartition("@")[0].partition(":")[2]
    query = rest.rpartition("@")[2].partition("?")[2]
    values = [pair.partition("=")[2] for pair in query.split("&")]
    for secret in (place, password, unquote(password), query, *values):
        if secret and secret != shown(place):
            text = text.replace(secret, HIDDEN)
    return text


def real_place(place: str) -> str:
    """Return a place that means the same on every machine that has the same folders."""
    return place if is_remote(place) else os.path.abspath(place)  # noqa: PTH100 - links stay as they are
