"""Where a job writes: no input is overwritten, no file is written twice, and both are told before anything is begun."""

from __future__ import annotations

import os
import stat
from collections.abc import Hashable, Iterable, Sequence
from pathlib import Path

from maskinfer.engine.errors import OutputError, RequestError
from maskinfer.engine.files.atomic import partial_name
from maskinfer.engine.files.listing import HEIF_SUFFIXES, IMAGE_SUFFIXES, VIDEO_SUFFIXES

STDOUT = "-"
Spelled = str | Path
_FILE_SCHEME = "file:"
_LISTS = frozenset({"crops.jsonl", "scenes.jsonl", "scenes_bare.jsonl"})
_MEDIA = IMAGE_SUFFIXES | HEIF_SUFFIXES | VIDEO_SUFFIXES | {".gif", ".h5", ".jxl", ".keras", ".onnx", ".pt", ".pth"}


def refuse_overwriting(
    files: Iterable[Spelled],
    inputs: Iterable[Spelled],
    *,
    folders: Sequence[Spelled] = (),
    stoppable: Sequence[Spelled] = (),
) -> None:
    """Refuse outputs that are inputs, or one another, however they are spelled: by links, by ``..``, as URLs.

    Args:
        files: outputs that are files; ``-`` is standard output.
        inputs: files and folders that are read; what does not exist, as a URL or the index of a camera, is none.
        folders: outputs that are folders.
        stoppable: those files that may get their ``partial_name``, which must be no input and no other output either.

    Raises:
        RequestError: the message names the output, and the input if it is spelled otherwise.
    """
    paths = [(_without_scheme(source), source) for source in inputs if source != STDOUT]
    read = {place_of(path): source for path, source in paths if _exists(path)}
    files = list(files)
    written: dict[Hashable, Spelled] = {}
    for output in (*files, *folders):
        place = place_of(output)
        if place is None:
            continue
        if place in read:
            raise RequestError(f"{_named(output, read[place])} and would be overwritten: name another output")
        if place in written and output in files:
            raise RequestError(f"{_twice(output, written[place])}: name another for one of them")
        written[place] = output
    taken = read.keys() | written.keys()
    for file in (one for one in stoppable if Path(one).name):
        part = partial_name(Path(file))
        if file != STDOUT and place_of(part) in taken:
            raise RequestError(f"{part} is in use, but {file} gets this name if the job is stopped: rename one of them")


def refuse_data(files: Iterable[Spelled], folders: Iterable[Spelled]) -> None:
    """Refuse to replace what is data, by its name, in a folder that is read.

    Raises:
        RequestError: the message names the file.
    """
    read = [os.path.realpath(folder) for folder in folders if os.path.isdir(folder)]  # noqa: PTH112 - any spelling
    for file in files:
        real = Path(os.path.realpath(file))
        is_data = real.suffix.lower() in _MEDIA | {".sqlite"} or real.name in _LISTS
        if is_data and real.exists() and any(real.is_relative_to(folder) for folder in read):
            raise RequestError(f"{file} is a part of the input and would be overwritten: name another output")


def refuse_media(files: Iterable[Spelled]) -> None:
    """Refuse text outputs that are named as pictures, videos and models are, as when a pattern took an option's place.

    Raises:
        RequestError: the message names the file.
    """
    for file in files:
        if Path(file).suffix.lower() in _MEDIA:
            raise RequestError(f"{file} is named as a picture, a video or a model: expected the name of a text file")


def place_of(path: Spelled) -> Hashable | None:
    """Return what is the same for all spellings of a path, there or not yet; None for what takes anything.

    >>> place_of("a/../b") == place_of("./b")
    True
    """
    try:
        if path == STDOUT:
            status = os.fstat(1)
            return STDOUT if _is_null(status) else (status.st_dev, status.st_ino)
        try:
            status = os.stat(path)  # noqa: PTH116 - a path of any type
        except FileNotFoundError:
            real = os.path.realpath(path)
            folder = os.stat(os.path.dirname(real))  # noqa: PTH116, PTH120
            return folder.st_dev, folder.st_ino, os.path.normcase(os.path.basename(real))  # noqa: PTH119
        return None if _is_null(status) else (status.st_dev, status.st_ino)
    except (OSError, ValueError):  # its folder is not there, or no file can be called so: opening it will tell
        return os.fspath(path)


def make_folder(folder: Path) -> None:
    """Make a folder that is an output, with those above it, if it is not there.

    Raises:
        OutputError: it cannot be made, or nothing can be written into it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        if folder.exists():
            raise OutputError(f"{folder} is a file, expected a folder: name another output") from error
        raise OutputError(f"the folder {folder} cannot be made: {getattr(error, 'strerror', error)}") from error
    if not os.access(folder, os.W_OK):
        raise OutputError(f"nothing can be written into the folder {folder}: choose one that can be written to")


def inner_folders(folders: Iterable[Spelled | None], inputs: Iterable[Spelled]) -> frozenset[str]:
    """Return those output folders that lie inside input folders, by their real paths: what is in them is no input."""
    read = [os.path.realpath(source) for source in inputs]
    return frozenset(
        real
        for folder in folders
        if folder is not None
        for real in [os.path.realpath(folder)]
        if any(real != source and Path(real).is_relative_to(source) for source in read)
    )


def _without_scheme(source: Spelled) -> Spelled:
    """Return the path of a file's URL, as FFmpeg reads it."""
    text = os.fspath(source)
    is_url = text.lower().startswith(_FILE_SCHEME) and not os.path.lexists(text)
    return text[len(_FILE_SCHEME) :] if is_url else source


def _exists(path: Spelled) -> bool:
    try:
        return Path(path).exists()
    except (OSError, ValueError):
        return False


def _is_null(status: os.stat_result) -> bool:
    """Tell whether it is the device that takes anything, and keeps nothing."""
    try:
        null = os.stat(os.devnull)  # noqa: PTH116 - a device
    except OSError:
        return False
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == null.st_rdev


def _named(output: Spelled, source: Spelled) -> str:
    is_same = os.path.normpath(output) == os.path.normpath(source)
    return f"{output} is an input" if is_same else f"{output} is the input {source}"


def _twice(one: Spelled, other: Spelled) -> str:
    names = list(dict.fromkeys("standard output" if name == STDOUT else str(name) for name in (other, one)))
    return f"two outputs would be written to {' and '.join(names)}"
