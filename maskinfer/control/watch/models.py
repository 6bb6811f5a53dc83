"""The classifier of a watch, which can be exchanged while it looks."""

from __future__ import annotations

from collections.abc import Callable

from maskinfer.control.settings.types import ModelSettings
from maskinfer.engine.catalog.find import find_model
from maskinfer.engine.contract import ClassifierContract
from maskinfer.engine.engine import Engine
from maskinfer.engine.errors import MaskinferError
from maskinfer.engine.faces.classifier import load_classifier
from maskinfer.engine.faces.protocols import ContractClassifier, Look
from maskinfer.engine.files.checks import sha256_once
from maskinfer.engine.results import BGRBatch, FloatArray
from maskinfer.engine.runtime.cpu import available_threads

_AS_BEFORE = ("labels", "size_wh", "crop", "face_check", "tells_bare")


class ExchangeableClassifier:
    """A classifier that stands in the place of another, and may be exchanged between two calls.

    Args:
        classifier: that answers first.
        sha256: of its file; empty where there is none.
    """

    def __init__(self, classifier: ContractClassifier, sha256: str) -> None:
        self._now, self.sha256 = classifier, sha256

    @property
    def contract(self) -> ClassifierContract:
        """What the classifier of now says of itself."""
        return self._now.contract

    def __call__(self, crops: BGRBatch, /) -> FloatArray:
        """Return the probabilities of each crop."""
        return self._now(crops)

    def look(self, crops: BGRBatch, /) -> Look:
        """Return all that the classifier of now says of each crop."""
        return self._now.look(crops)

    def exchange(self, classifier: ContractClassifier, sha256: str) -> None:
        """Let another one answer from the next call on."""
        self._now, self.sha256 = classifier, sha256


def file_sha256(name: str) -> str:
    """Return the checksum of the file that a classifier's name stands for now; empty if the name chooses one itself."""
    return "" if name == "auto" else sha256_once(find_model(name, "classifier"))


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
        new = load_classifier(
            models.classifier, provider=models.provider, threads=models.threads or available_threads()
        )
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
