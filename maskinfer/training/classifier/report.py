"""What a training shows: curves, the classification report, the confusion matrix."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from sklearn.metrics import classification_report, confusion_matrix

from maskinfer.engine.files.atomic import atomic_write
from maskinfer.training.classifier.loop import Epoch

# Okabe and Ito's colours, told apart by colour-blind people.
_TRAIN_COLOUR, _TEST_COLOUR = "#0072B2", "#D55E00"


def write_report(truth: NDArray[np.int64], predicted: NDArray[np.int64], labels: Sequence[str], folder: Path) -> None:
    """Write ``report.txt``, ``report.json`` and ``confusion.png``.

    Args:
        truth: (N,), indices into the labels.
        predicted: (N,), likewise.
        labels: names of the classes.
        folder: where to.
    """
    classes = list(range(len(labels)))
    kinds = {"labels": classes, "target_names": list(labels), "zero_division": 0}
    text = classification_report(truth, predicted, digits=4, **kinds)
    _write(folder / "report.txt", text)
    figures = classification_report(truth, predicted, output_dict=True, **kinds)
    _write(folder / "report.json", json.dumps(figures, indent=1) + "\n")
    _draw_confusion(confusion_matrix(truth, predicted, labels=classes), labels, folder / "confusion.png")


def write_curves(history: Sequence[Epoch], folder: Path) -> None:
    """Write ``curves.png``: loss and accuracy of each epoch, on the training's pictures and on those kept out."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    epochs = [epoch.epoch for epoch in history]
    panels = (("loss", "cross entropy"), ("accuracy", "share labelled right"))
    for axes, (name, title) in zip(figure.subplots(1, 2), panels, strict=True):
        axes.plot(epochs, [getattr(e, name) for e in history], "o-", color=_TRAIN_COLOUR, ms=4, label="training")
        kept_out = [getattr(e, f"test_{name}") for e in history]
        if kept_out[0] is not None:
            axes.plot(epochs, kept_out, "s-", color=_TEST_COLOUR, ms=4, label="kept out")
        axes.set(title=title, xlabel="epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        axes.legend()
    figure.suptitle("Training pictures are augmented, those kept out are not", fontsize=9)
    _save(figure, folder / "curves.png")


def _draw_confusion(counts: NDArray[np.int64], labels: Sequence[str], file: Path) -> None:
    figure = Figure(figsize=(1.6 + 1.2 * len(labels), 1.2 + 1.1 * len(labels)), layout="constrained")
    axes = figure.subplots()
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        colour = "white" if shares[row, column] > 0.5 else "black"
        text = f"{count}\n{shares[row, column]:.1%}"
        axes.text(column, row, text, ha="center", va="center", color=colour)
    ticks = range(len(labels))
    axes.set_xticks(ticks, labels)
    axes.set_yticks(ticks, labels, rotation=90, va="center")
    axes.set(xlabel="predicted", ylabel="true", title="Pictures kept out of training")
    _save(figure, file)


def _write(file: Path, text: str) -> None:
    with atomic_write(file) as partial:
        partial.write_text(text, encoding="utf-8")


def _save(figure: Figure, file: Path) -> None:
    with atomic_write(file) as partial:
        figure.savefig(partial, format="png", dpi=120)
