"""What `benchmarks.afternoon` is made of: simulated cameras, a labeller that knows the truth, the learning curve."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import cv2
import httpx
import numpy as np

from maskinfer.engine.faces.boxes import iou_matrix
from maskinfer.engine.results import BGRFrame
from maskinfer.site.pool import PoolPicture, read_pool
from maskinfer.training.data.scenes import Scene

_LEAST_IOU = 0.3
# The page takes no smaller box.
_LEAST_SIDE_PX = 4
Camera = Callable[[BGRFrame, np.random.Generator], BGRFrame]


def _grey(bgr: BGRFrame) -> np.ndarray:
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY).astype(np.float32)


def _noisy(grey: np.ndarray, sigma: float, rng: np.random.Generator) -> BGRFrame:
    noisy = np.clip(grey + rng.normal(0, sigma, grey.shape), 0, 255).astype(np.uint8)
    return np.asarray(cv2.cvtColor(noisy, cv2.COLOR_GRAY2BGR), np.uint8)


def infrared(bgr: BGRFrame, rng: np.random.Generator) -> BGRFrame:
    """Return a picture as lit by near infrared: grey, skin and cloth nearly white, noisy."""
    return _noisy(255 * np.power(np.clip((_grey(bgr) - 20) / 150, 0, 1), 0.7), 10, rng)


def night(bgr: BGRFrame, rng: np.random.Generator) -> BGRFrame:
    """Return a picture of a dim room at high gain: grey, a quarter as bright, out of focus, very noisy."""
    return _noisy(0.25 * cv2.GaussianBlur(_grey(bgr), (0, 0), 1.2), 9, rng)


CAMERAS: dict[str, Camera] = {"plain": lambda bgr, _: bgr, "infrared": infrared, "night": night}


@dataclass(slots=True)
class Labelling:
    """How a labelling went.

    Attributes:
        answers: faces that were answered or added.
        order: pictures, in the order in which they were asked for.
        said: how often each answer was given.
        result: what the command printed at the end.
    """

    answers: int = 0
    order: list[str] = field(default_factory=list)
    said: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    result: str = ""

    def __str__(self) -> str:
        """Return it as one line."""
        return f"{self.answers} answers in {len(self.order)} pictures: {dict(self.said)}"


def label_by_truth(site: Path, truth: Mapping[str, Scene]) -> Labelling:
    """Answer every face on the page of `maskinfer label`.

    Args:
        site: that was collected from pictures.
        truth: the scene of each picture, by its name.
    """
    pool = {picture.id: picture for picture in read_pool(site)}
    command = [sys.executable, "-m", "maskinfer", "label", str(site), "--name", "truth", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as page:
        assert page.stdout is not None
        address = page.stdout.readline().removeprefix("open ").strip()
        try:
            with httpx.Client(follow_redirects=True, timeout=30) as client:
                labelling = _answer_all(client, address, pool, truth)
        finally:
            page.send_signal(signal.SIGINT)
            labelling_said = page.stdout.read()
    labelling.result = labelling_said
    return labelling


def _answer_all(
    client: httpx.Client, address: str, pool: Mapping[str, PoolPicture], truth: Mapping[str, Scene]
) -> Labelling:
    html = client.get(address).raise_for_status().text
    found = re.search(r'name="csrf" content="([^"]+)"', html)
    assert found is not None
    client.headers["x-csrf-token"] = found[1]
    base, labelling = address.split("/?")[0], Labelling()
    now = client.get(f"{base}/now").raise_for_status().json()
    while now["face"] is not None:
        picture = pool[now["face"]["picture"]]
        if picture.id not in labelling.order:
            labelling.order.append(picture.id)
            answers, missed = _truth_of(picture, truth)
            for box, label in missed:
                _post(client, base, {"picture": picture.id, "label": label, "bbox": box}, labelling)
        label, box = answers[now["face"]["number"]]
        body = {"picture": picture.id, "number": now["face"]["number"], "label": label, "bbox": box}
        now = _post(client, base, body, labelling)
    return labelling


def _post(client: httpx.Client, base: str, body: dict[str, Any], labelling: Labelling) -> dict[str, Any]:
    labelling.answers += 1
    labelling.said[body["label"]] += 1
    answer = client.post(f"{base}/answer", json=body)
    while answer.status_code == 429:
        answer = client.post(f"{base}/answer", json=body)
    if answer.is_error:
        raise click.ClickException(f"{body}: {answer.text}")
    return dict(answer.json())


def _truth_of(
    picture: PoolPicture, truth: Mapping[str, Scene]
) -> tuple[list[tuple[str, list[float] | None]], list[tuple[list[float], str]]]:
    """Return the answer to each face that was found, and the faces that were missed."""
    name = re.search(r"(pool|test)\d{4}\.jpg", picture.visit)
    assert name is not None, picture.visit
    scene = truth[name[0]]
    answers: list[tuple[str, list[float] | None]] = [("cannot_tell", None)] * len(picture.faces)
    found = np.asarray([face.bbox for face in picture.faces], np.float32).reshape(-1, 4)
    overlap, free = iou_matrix(scene.xyxy, found), set(range(len(scene.xyxy)))
    for i, j in sorted(np.argwhere(overlap >= _LEAST_IOU).tolist(), key=lambda pair: -overlap[pair[0], pair[1]]):
        if i in free and answers[j][1] is None:
            answers[j] = (scene.labels[i], scene.xyxy[i].tolist())
            free.remove(i)
    large = [i for i in sorted(free) if (scene.xyxy[i][2:] - scene.xyxy[i][:2]).min() >= _LEAST_SIDE_PX]
    return answers, [(scene.xyxy[i].tolist(), scene.labels[i]) for i in large]


def draw_curve(rows: Sequence[Mapping[str, Any]], title: str, file: Path) -> None:
    """Draw how the share of right labels changes with the number of faces learnt from, here and elsewhere."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    axes = figure.subplots()
    for name in rows[0]["places"]:
        points: dict[int, list[float]] = {0: [0.0]}
        for row in rows:
            points.setdefault(row["faces"], []).append(100 * row["places"][name]["change"])
        xs = sorted(points)
        here = name == "test"
        means = [float(np.mean(points[x])) for x in xs]
        style: dict[str, Any] = {"linewidth": 2.5, "color": "#009E73"} if here else {"linewidth": 1, "linestyle": "--"}
        axes.plot(xs, means, marker="o", markersize=4, label="at the place" if here else name, **style)
    axes.axhline(-0.5, color="#888888", linewidth=0.8, linestyle=":")
    axes.set(title=title, xlabel="faces learnt from", ylabel="change, points")
    axes.legend(frameon=False, fontsize=8)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.savefig(file, dpi=130, facecolor="white")
