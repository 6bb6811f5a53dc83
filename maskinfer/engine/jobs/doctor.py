"""What this machine and this installation can do, checked one by one."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from typing import Literal

import av
import cv2

import maskinfer
from maskinfer.engine.catalog.find import find_model
from maskinfer.engine.catalog.shipped import MODELS_DIR, SHIPPED, ShippedModel
from maskinfer.engine.errors import MaskinferError
from maskinfer.engine.faces.classifier import load_classifier
from maskinfer.engine.faces.detector import AUTO_DETECTOR, load_detector
from maskinfer.engine.files.checks import sha256_of
from maskinfer.engine.load import ways_here
from maskinfer.engine.runtime.cpu import available_threads
from maskinfer.engine.runtime.providers import AUTO, import_onnxruntime, present_providers, short_name
from maskinfer.engine.runtime.session import create_session
from maskinfer.engine.tuned.profile import find_profile
from maskinfer.engine.tuned.way import Asked, Way

Status = Literal["ok", "note", "broken"]
_ONNXRUNTIME = re.compile(r"onnxruntime(-(gpu|openvino|directml|qnn|rocm|migraphx|silicon))?")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: what.
        status: ``ok``; ``note``: worth knowing, the default job runs all the same; ``broken``: it does not.
        detail: one line.
    """

    name: str
    status: Status
    detail: str


def diagnose() -> Iterator[Check]:
    """Yield every check, in the order to read them; nothing is raised."""
    yield Check(
        "maskinfer",
        "ok",
        f"{maskinfer.__version__}, Python {platform.python_version()}, {platform.platform()}",
    )
    yield from _onnxruntime_packages()
    yield from _providers()
    yield from _profile()
    yield Check("threads", "ok", f"{available_threads()} (CPU affinity and container quota)")
    yield from _opencv()
    yield from _codecs()
    for name, model in SHIPPED.items():
        yield _model(name, model)
    yield _default_job()


def _installed(pattern: re.Pattern[str]) -> dict[str, str]:
    found = ((dist.metadata["Name"] or "", dist.version) for dist in metadata.distributions())
    return {name: version for name, version in sorted(found) if pattern.fullmatch(name.lower().replace("_", "-"))}


def _onnxruntime_packages() -> Iterator[Check]:
    packages = _installed(_ONNXRUNTIME)
    listed = ", ".join(f"{name} {version}" for name, version in packages.items())
    if len(packages) > 1:
        yield Check(
            "onnxruntime",
            "broken",
            f"{listed} are installed at once and overwrite each other: pip uninstall {' '.join(packages)}, "
            "then install one",
        )
        return
    try:
        ort = import_onnxruntime()
    except MaskinferError as error:
        yield Check("onnxruntime", "broken", str(error))
    else:
        yield Check("onnxruntime", "ok", listed or f"{ort.__version__}, not installed by pip")


def _providers() -> Iterator[Check]:
    try:
        present = present_providers()
    except MaskinferError:
        return
    yield Check("providers present", "ok", ", ".join(short_name(p) for p in present))
    for provider in present:
        yield _provider(short_name(provider))


def _provider(name: str) -> Check:
    title = f"provider {name}"
    try:
        create_session(find_model(AUTO_DETECTOR, "detector"), provider=name)
    except MaskinferError as error:
        return Check(title, "broken" if name == "cpu" else "note", f"not active: {error}")
    return Check(title, "ok", "active")


def _profile() -> Iterator[Check]:
    try:
        found = find_profile(Asked())
    except MaskinferError:
        return
    if found is None:
        yield Check("profile", "ok", "none; maskinfer tune finds the fastest way of running jobs here")
    else:
        yield Check("profile", "ok", f"of {found.made[:10]}, used by {AUTO}: {found.way}")


def _opencv() -> Iterator[Check]:
    packages = _installed(re.compile(r"opencv-(contrib-)?python(-headless)?"))
    listed = ", ".join(f"{name} {version}" for name, version in packages.items()) or cv2.__version__
    if len(packages) > 1:
        yield Check("opencv", "note", f"{listed} are installed at once and overwrite each other: keep one")
    else:
        yield Check("opencv", "ok", listed)
    windows = re.search(r"GUI:\s*(\S+)", cv2.getBuildInformation())
    if windows is None or windows.group(1) == "NONE":
        yield Check("windows", "note", "this OpenCV opens none, so --show fails: pip install opencv-python")
    else:
        yield Check("windows", "ok", f"OpenCV opens them with {windows.group(1)}")


def _codecs() -> Iterator[Check]:
    wanted: tuple[tuple[str, str, Literal["r", "w"]], ...] = (
        ("H.264 encoder", "libx264", "w"),
        ("H.264 decoder", "h264", "r"),
        ("AAC encoder", "aac", "w"),
    )
    for title, codec, mode in wanted:
        try:
            av.codec.Codec(codec, mode)
        except av.codec.codec.UnknownCodecError:
            yield Check(title, "broken", f"PyAV {av.__version__} has no {codec}: pip install --force-reinstall av")
        else:
            yield Check(title, "ok", f"{codec}, PyAV {av.__version__}")


def _model(name: str, model: ShippedModel) -> Check:
    title = f"model {name}"
    file = MODELS_DIR / model.file
    if not file.is_file():
        return Check(title, "broken", f"{model.file} is missing: reinstall maskinfer")
    found = sha256_of(file)
    if found != model.sha256:
        return Check(
            title,
            "broken",
            f"{model.file} has SHA-256 {found[:12]}, not {model.sha256[:12]}: reinstall maskinfer",
        )
    return Check(title, "ok", f"{model.about}; {file.stat().st_size / 1e6:.1f} MB, SHA-256 {found[:12]}")


def _default_job() -> Check:
    reason = ""
    try:
        for way in ways_here():
            try:
                return _job_on(way)
            except MaskinferError as error:
                reason = str(error)
    except MaskinferError as error:
        reason = str(error)
    return Check("default job", "broken", reason)


def _job_on(way: Way) -> Check:
    detector = load_detector(way.detector, provider=way.provider)
    classifier = load_classifier(way.classifier, provider=way.provider)
    active = short_name(detector.session.get_providers()[0])
    return Check("default job", "ok", f"{detector.contract.name} and {classifier.contract.name} on {AUTO} = {active}")
