"""The classifier of a watch, exchanged while it looks; and one in its shadow, which looks too and does not count."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from maskinfer.control.settings.types import ModelSettings
from maskinfer.engine.catalog.find import find_model
from maskinfer.engine.contract import ClassifierContract
from maskinfer.engine.engine import Engine
from maskinfer.engine.errors import MaskinferError, RequestError
from maskinfer.engine.faces.classifier import OnnxClassifier, load_classifier
from maskinfer.engine.faces.detector import OnnxDetector
from maskinfer.engine.faces.protocols import ContractClassifier, Look
from maskinfer.engine.files.checks import sha256_once
from maskinfer.engine.results import BGRBatch, FloatArray
from maskinfer.engine.runtime.cpu import available_threads

_AS_BEFORE = ("labels", "size_wh", "crop", "face_check", "tells_bare")
_SHOWN = 4


@dataclass(slots=True)
class Shadow:
    """A classifier that looks at the same crops, whose labels do not count, and how it differs.

    Attributes:
        name: in the settings.
        classifier: it.
        looks: crops so far.
        differs: how often, by the label that counted and that of the shadow.
    """

    name: str
    classifier: ContractClassifier
    looks: int = 0
    differs: Counter[tuple[str, str]] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def look(self, crops: BGRBatch, counted: FloatArray) -> None:
        """Look at crops too, and note what differs from the probabilities that counted."""
        labels = self.classifier.contract.labels
        own, other = counted.argmax(1), np.asarray(self.classifier(crops)).argmax(1)
        with self._lock:
            self.looks += len(own)
            self.differs.update((labels[a], labels[b]) for a, b in zip(own, other, strict=True) if a != b)

    def told(self) -> str:
        """Return how it differs so far, as a line for the reader."""
        with self._lock:
            looks, differs = self.looks, self.differs.copy()
        share = f"{100 * differs.total() / looks:.1f} %" if looks else "none"
        kinds = ", ".join(f"{a} -> {b} {count}" for (a, b), count in differs.most_common(_SHOWN))
        return f"the shadow {self.name} says otherwise of {share} of {looks} looks" + (f": {kinds}" if kinds else "")


class ExchangeableClassifier:
    """A classifier that stands in the place of another, and may be exchanged between two calls.

    Args:
        classifier: that answers first.
        sha256: of its file; empty where there is none.
        shadow: looks too, if there is one.
    """

    def __init__(self, classifier: ContractClassifier, sha256: str, shadow: Shadow | None = None) -> None:
        self._now, self.sha256, self.shadow = classifier, sha256, shadow

    @property
    def contract(self) -> ClassifierContract:
        """What the classifier of now says of itself."""
        return self._now.contract

    @property
    def mirrored(self) -> bool:
        """Whether the classifier of now looks at each crop twice."""
        return isinstance(self._now, OnnxClassifier) and self._now.mirrored

    def __call__(self, crops: BGRBatch, /) -> FloatArray:
        """Return the probabilities of each crop."""
        return self._now(crops)

    def look(self, crops: BGRBatch, /) -> Look:
        """Return all that the classifier of now says of each crop."""
        said = self._now.look(crops)
        if self.shadow is not None and len(crops):
            self.shadow.look(crops, said.probabilities)
        return said

    def exchange(self, classifier: ContractClassifier, sha256: str) -> None:
        """Let another one answer from the next call on."""
        self._now, self.sha256 = classifier, sha256


def file_sha256(name: str) -> str:
    """Return the checksum of the file that a classifier's name stands for now; empty if the name chooses one itself."""
    return "" if name == "auto" else sha256_once(find_model(name, "classifier"))


def open_shadow(models: ModelSettings, contract: ClassifierContract) -> Shadow | None:
    """Open the classifier that is to look in the shadow of another, if the settings name one.

    Raises:
        RequestError: it cuts faces otherwise than the other one, or has other labels. ModelError: it cannot be used.
    """
    if not models.shadow:
        return None
    classifier = _load(models.shadow, models)
    names = ("labels", "size_wh", "crop")
    other = next((name for name in names if getattr(classifier.contract, name) != getattr(contract, name)), None)
    if other is not None:
        raise RequestError(
            f"{models.shadow} cannot look in the shadow of {models.classifier}: it has another {other}; "
            "compare the two with maskinfer compare"
        )
    return Shadow(models.shadow, classifier)


def _load(name: str, models: ModelSettings) -> ContractClassifier:
    return load_classifier(name, provider=models.provider, threads=models.threads or available_threads())


def shadow_of(engine: Engine) -> Shadow | None:
    """Return what looks in the shadow of an engine's classifier."""
    return engine.classifier.shadow if isinstance(engine.classifier, ExchangeableClassifier) else None


def models_of(engine: Engine) -> str:
    """Return which models look, so that what others say is not held against them."""
    contract, detector = engine.classifier.contract, engine.detector
    sha256 = twice = ""
    if isinstance(engine.classifier, ExchangeableClassifier):
        sha256, twice = engine.classifier.sha256[:12], " mirrored" if engine.classifier.mirrored else ""
    other = detector.contract if isinstance(detector, OnnxDetector) else None
    several = " several times" if isinstance(detector, OnnxDetector) and detector.views else ""
    before = f"{other.name} {other.version}{several}, " if other is not None else ""
    return f"{before}{contract.name} {contract.version} {sha256}".rstrip() + twice


def follow_promotion(engine: Engine, models: ModelSettings, say: Callable[[str], None]) -> None:
    """Exchange the classifier if the name in the settings stands for another file by now.

    One that cuts faces otherwise, or has other labels, is told and waits for the next start, as is one that cannot be
    opened.
    """
    classifier = engine.classifier
    if not isinstance(classifier, ExchangeableClassifier):
        return
    try:
        sha256 = file_sha256(models.classifier)
        if sha256 == classifier.sha256:
            return
        new = _load(models.classifier, models)
    except MaskinferError as error:
        say(f"the classifier stays as it was: {error}")
        return
    old = classifier.contract
    other = next((name for name in _AS_BEFORE if getattr(new.contract, name) != getattr(old, name)), None)
    if other is not None:
        say(f"the classifier {models.classifier} has another {other}: it takes effect at the next start")
        return
    classifier.exchange(new, sha256)
    say(f"the classifier is now {new.contract.name} (version {new.contract.version}, {sha256[:12]})")
