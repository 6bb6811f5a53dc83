"""Several threads that share the crops of a crowd: what they say is what one thread says."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from maskinfer.engine.errors import ModelError
from maskinfer.engine.faces.classifier import load_classifier
from maskinfer.engine.faces.protocols import AroundClassifier, Look
from maskinfer.engine.results import BGRBatch
from maskinfer.engine.sharing import shared
from tests.conftest import CONTRACT


@dataclass(frozen=True)
class Watched(AroundClassifier):
    """A classifier that notes which threads called it, and with how many crops."""

    calls: list[tuple[str, int]] = field(default_factory=list)

    def look(self, crops: BGRBatch, /) -> Look:
        self.calls.append((threading.current_thread().name.partition("_")[0], len(crops)))
        if (crops == 255).all(axis=(1, 2, 3)).any():
            raise ModelError("this one cannot be looked at")
        return self.model.look(crops)


def crops(count: int, side: int = 128) -> BGRBatch:
    return np.random.default_rng(0).integers(0, 255, (count, side, side, 3), np.uint8)


@pytest.mark.parametrize("name", ["mobilenetv2-128", "colour"])
@pytest.mark.parametrize("count", [0, 1, 7, 8, 13, 40])
def test_a_crowd_is_shared_and_the_answer_is_the_same(name: str, count: int, colour_classifier: Path) -> None:
    own = name == "colour"
    model = Watched(load_classifier(str(colour_classifier) if own else name, threads=1))
    batch = crops(count, 16 if own else 128)
    alone = model.look(batch)
    model.calls.clear()
    with shared(model, 3) as together:
        assert together.contract is model.contract
        look = together.look(batch)
        assert together(batch) == pytest.approx(alone.probabilities, abs=1e-5)
    assert look.probabilities == pytest.approx(alone.probabilities, abs=1e-5)
    for ours, theirs in ((look.face, alone.face), (look.bare, alone.bare)):
        assert (ours is None) == (theirs is None) == own
        assert ours is None or ours == pytest.approx(theirs, abs=1e-5)
    parts = [size for _, size in model.calls[: len(model.calls) // 2]]
    assert sum(parts) == count
    assert len(parts) == {0: 1, 1: 1, 7: 1, 8: 2, 13: 3, 40: 3}[count]
    assert ("engine" in {thread for thread, _ in model.calls}) == (count >= 8)


def test_one_lane_has_no_threads_of_its_own(colour_classifier: Path) -> None:
    model = Watched(load_classifier(str(colour_classifier)))
    with shared(model, 1) as together:
        assert together is model


@pytest.mark.parametrize("bad", [0, 19])
def test_what_fails_in_any_thread_is_told(bad: int, colour_classifier: Path) -> None:
    batch = crops(20, 16)
    batch[bad] = 255
    with shared(Watched(load_classifier(str(colour_classifier))), 2) as together:
        with pytest.raises(ModelError, match="cannot be looked at"):
            together.look(batch)
        assert together(crops(3, 16)).shape == (3, len(CONTRACT.labels))
