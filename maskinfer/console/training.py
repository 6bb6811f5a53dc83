"""Lines of a training."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from maskinfer.training.classifier.loop import Epoch
    from maskinfer.training.detector.state import Figures as DetectorFigures
from maskinfer.console.progress import STDERR


def show_epoch(epoch: Epoch) -> None:
    """Print the figures of one epoch of training."""
    tested = ""
    if epoch.test_accuracy is not None:
        tested = f", kept out: loss {epoch.test_loss:.4f} accuracy {epoch.test_accuracy:.4f}"
    line = f"epoch {epoch.epoch}: loss {epoch.loss:.4f} accuracy {epoch.accuracy:.4f}{tested} ({epoch.seconds:.0f} s)"
    STDERR.print(line, markup=False)


def show_detector_figures(figures: DetectorFigures) -> None:
    """Print a line of figures of a detector's training."""
    parts = f"faces {figures.faces:.4f} boxes {figures.boxes:.4f} landmarks {figures.landmarks:.4f}"
    STDERR.print(f"step {figures.step}: loss {figures.loss:.4f} ({parts}), {figures.seconds:.0f} s", markup=False)
