"""Profiles: the way that ``maskinfer tune`` found fastest, which ``auto`` takes while all is as it was then.

They lie in ``maskinfer/profiles`` where this system keeps users' settings, or where ``MASKINFER_PROFILES`` says. Each
is known by the machine, the runtime and the models, so that one folder serves several machines and environments.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import platform
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from platformdirs import user_config_path

from maskinfer.engine.catalog.find import find_model
from maskinfer.engine.catalog.shipped import SHIPPED
from maskinfer.engine.errors import MaskinferError, OutputError
from maskinfer.engine.files.atomic import atomic_write
from maskinfer.engine.files.checks import sha256_once
from maskinfer.engine.files.places import make_folder
from maskinfer.engine.runtime.cpu import available_threads, processor_name
from maskinfer.engine.runtime.providers import import_onnxruntime, present_providers, short_name
from maskinfer.engine.schema import Count, Line, Positive, Sha256, Share, from_plain, parse_json
from maskinfer.engine.tuned.way import Asked, Way

FOLDER_VARIABLE = "MASKINFER_PROFILES"
IGNORE_VARIABLE = "MASKINFER_NO_PROFILE"
_TASKS = ("detector", "classifier")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a profile was measured.

    Attributes:
        processor: as it calls itself.
        threads: that the process might use.
        system: operating system and architecture.
        onnxruntime: its version.
        providers: that its build has, by their short names.
    """

    processor: Line
    threads: Count
    system: Line
    onnxruntime: Line
    providers: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Profile:
    """A file of ``maskinfer tune``: how jobs run fastest here.

    Attributes:
        made: when, as ISO 8601 in UTC.
        maskinfer: version that measured it.
        asked: which models were asked for: ``detector``, ``classifier`` and ``preset``.
        place: where it was measured.
        models: SHA-256 of the models that were measured, by their names or files.
        way: that is fastest.
        frames_per_second: of whole jobs with it.
        usual_frames_per_second: of whole jobs without a profile, in turn with it.
        agreement: share of faces that it finds and labels as the float models do on the CPU.
    """

    made: Line
    maskinfer: Line
    asked: Mapping[str, str]
    place: Place
    models: Mapping[str, Sha256]
    way: Way
    frames_per_second: Positive
    usual_frames_per_second: Positive
    agreement: Share


def this_place() -> Place:
    """Return where this process runs.

    Raises:
        MissingExtraError: onnxruntime is not installed.
    """
    return Place(
        processor_name(),
        available_threads(),
        f"{platform.system()} {platform.machine()}",
        str(import_onnxruntime().__version__),
        tuple(sorted(map(short_name, present_providers()))),
    )


def profiles_folder() -> Path:
    """Return the folder of profiles."""
    given = os.environ.get(FOLDER_VARIABLE)
    return Path(given) if given else user_config_path("maskinfer", appauthor=False) / "profiles"


def write_profile(profile: Profile) -> Path:
    """Keep a profile, in the place of an earlier one of the same machine, runtime and models; return its file.

    Raises:
        OutputError: it cannot be written.
    """
    folder = profiles_folder()
    make_folder(folder)
    file = folder / f"{_digest(profile.place, profile.models)}.json"
    with atomic_write(file) as part:
        part.write_text(json.dumps(asdict(profile), indent=1) + "\n", encoding="utf-8")
    return file


def forget_profile(asked: Asked) -> bool:
    """Remove the profile of these models on this machine; tell whether there was one.

    Raises:
        OutputError: it cannot be removed. ModelNotFoundError, ModelError: there is no such model.
    """
    file = profiles_folder() / f"{_digest(this_place(), model_hashes(asked))}.json"
    try:
        file.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise OutputError(f"cannot remove {file}: {error.strerror}") from error
    return True


def find_profile(asked: Asked) -> Profile | None:
    """Return the profile of these models on this machine; None if there is none, or none that still holds.

    One that does not hold any more is told, once.
    """
    if os.environ.get(IGNORE_VARIABLE, "") not in ("", "0"):
        return None
    folder = profiles_folder()
    try:
        files = sorted(folder.glob("*.json"))
        if not files:
            return None
        place, models = this_place(), model_hashes(asked)
    except (OSError, MaskinferError):  # opening the models tells what is wrong with them
        return None
    file = folder / f"{_digest(place, models)}.json"
    found = _read(file) if file in files else None
    if found is not None and (found.place, found.models) == (place, models):
        return found
    _tell_once(file.with_suffix(".told"), [_read(one) for one in files], asked, place, models)
    return None


def model_hashes(asked: Asked) -> dict[str, str]:
    """Return the SHA-256 of the files of all models that are candidates, by their names.

    Raises:
        ModelNotFoundError, ModelError: there is no such model.
    """
    names = [(name, task) for task in _TASKS for name in asked.candidates(task)]
    # Those of the shipped files are checked when they are opened.
    return {
        name: SHIPPED[name].sha256 if name in SHIPPED else sha256_once(find_model(name, task)) for name, task in names
    }


def _digest(place: Place, models: Mapping[str, str]) -> str:
    text = json.dumps([asdict(place), sorted(models.items())], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _read(file: Path) -> Profile | None:
    try:
        return from_plain(parse_json(file.read_text(encoding="utf-8")), Profile)
    except (OSError, ValueError) as error:
        _log.warning("%s is no profile of maskinfer tune and is ignored: %s", file, error)
        return None


def _tell_once(
    mark: Path, profiles: list[Profile | None], asked: Asked, place: Place, models: Mapping[str, str]
) -> None:
    """Say why the newest profile of these models is not used, unless that was said before."""
    ours = [one for one in profiles if one is not None and one.asked == asdict(asked)]
    if not ours or mark.exists():
        return
    newest = max(ours, key=lambda one: one.made)
    _log.warning(
        "the profile that `maskinfer tune` made on %s is not used: %s; run it again for the fastest way of now",
        newest.made[:10],
        _what_changed(newest, place, models),
    )
    with suppress(OSError):
        mark.touch()


def _what_changed(profile: Profile, place: Place, models: Mapping[str, str]) -> str:
    old = profile.place
    if (old.processor, old.threads, old.system) != (place.processor, place.threads, place.system):
        return (
            f"it is of another machine ({old.processor or old.system}, {old.threads} threads, here "
            f"{place.processor or place.system}, {place.threads})"
        )
    if (old.onnxruntime, old.providers) != (place.onnxruntime, place.providers):
        return (
            f"it is of onnxruntime {old.onnxruntime} with {', '.join(old.providers)}, here is {place.onnxruntime} with "
            f"{', '.join(place.providers)}"
        )
    return "the models have changed since"
