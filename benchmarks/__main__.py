"""maskinfer beside what a user would pick instead: frames a second on clips, and who is labelled right on scenes.

    python -m benchmarks crowd.mp4 office.mp4 --data dev/ --scrfd det_500m.onnx --lecture lecture/checkpoint.pt \
        --aizoo aizoo.onnx --out benchmarks/results

Every run is in a process of its own; the peers take turns, so that a noisy machine is noisy for all. See README.md.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from benchmarks.cut import copy_video
from benchmarks.one import PATH
from benchmarks.peers import LOOP, OURS, PEERS
from maskinfer.benchmark.report import this_machine
from maskinfer.engine.results import LABELS, WITH_MASK, WITHOUT_MASK

MASKED_AND_BARE = (WITH_MASK, WITHOUT_MASK)
_SAYS = "found and labelled right"
_COLOURS = ("#555555", "#0072B2", "#D55E00", "#CC79A7", "#8a6d00", "#56B4E9")
_MARKERS = "os^vDPX"


@dataclass(slots=True)
class Line:
    """What was measured of one peer."""

    name: str
    about: str
    speeds: dict[str, list[float]] = field(default_factory=dict)
    accuracy: dict[str, Any] = field(default_factory=dict)
    versions: str = ""
    skipped: str = ""

    def correct(self, labels: Sequence[str]) -> list[float]:
        """Return of each data set the mean over labels of the share that was found and labelled right."""
        each = [one["correct"] for one in self.accuracy.get("sets", {}).values()]
        return [statistics.mean(of[label] for label in labels if label in of) for of in each]

    def false_positives(self) -> list[float]:
        """Return false positives an image of each data set."""
        return [one["false_positives"] for one in self.accuracy.get("sets", {}).values()]


@click.command(help=__doc__)
@click.argument("clips", nargs=-1, required=True, type=PATH)
@click.option("--data", type=PATH, help="Annotated scenes.")
@click.option("--scrfd", type=PATH, help="One of insightface's SCRFD files.")
@click.option("--lecture", type=PATH, help="A checkpoint of `maskinfer train --recipe lecture`.")
@click.option("--aizoo", type=PATH, help="AIZOO's network as ONNX, 360 px.")
@click.option("--only", multiple=True, type=click.Choice([peer.name for peer in PEERS]), help="May be repeated.")
@click.option("--rounds", default=2, show_default=True, type=click.IntRange(1))
@click.option("--frames", type=click.IntRange(1), help="Only so many of each clip, from its beginning.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for results.md, results.json and results.png.")
def main(
    clips: tuple[Path, ...],
    data: Path | None,
    only: tuple[str, ...],
    rounds: int,
    frames: int | None,
    out: Path | None,
    **files: Path | None,
) -> None:
    given = [part for name, file in files.items() if file is not None for part in (f"--{name}", str(file))]
    lines = [Line(peer.name, peer.about) for peer in PEERS if peer.name in (OURS, *only) or not only]
    with tempfile.TemporaryDirectory() as folder:
        for clip in clips:
            used = clip if frames is None else copy_video(clip, Path(folder) / clip.name, frames)
            for _ in range(rounds):
                _round(lines, used, given)
    if lines[0].skipped:
        raise click.ClickException(f"maskinfer itself failed: {lines[0].skipped}")
    for line in lines:
        if data is not None and not line.skipped:
            line.accuracy = _one("accuracy", line, data, given)
    text = _table(lines, [clip.name for clip in clips])
    click.echo(text)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "results.md").write_text(text + "\n", encoding="utf-8")
        records = [{name: getattr(line, name) for name in Line.__dataclass_fields__} for line in lines]
        (out / "results.json").write_text(json.dumps({"machine": this_machine(), "peers": records}, indent=1) + "\n")
        if data is not None:
            _plot(lines, clips[0].name, out / "results.png")


def _round(lines: Sequence[Line], clip: Path, files: Sequence[str]) -> None:
    for line in lines:
        if not line.skipped and (record := _one("speed", line, clip, files)):
            line.speeds.setdefault(clip.name, []).append(record["frames"] / record["seconds"])


def _one(what: str, line: Line, data: Path, files: Sequence[str]) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.one", what, line.name, str(data), *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        line.skipped = (done.stderr.strip().splitlines() or ["it failed"])[-1][:200]
        return {}
    record: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    line.skipped, line.versions = record.get("skipped", ""), record.get("versions", "")
    click.echo(f"{line.name}: {json.dumps(record)}", err=True)
    return {} if line.skipped else record


def _table(lines: Sequence[Line], clips: Sequence[str]) -> str:
    """Return Markdown; ratios are of runs of the same round."""
    ours, loop = lines[0], next((line for line in lines if line.name == LOOP and not line.skipped), None)
    head = [""]
    for clip in clips:
        head += [f"{clip}: frames/s (maskinfer is so many times as fast)"]
        head += [] if loop is None else [f"{clip}: times as fast as the {LOOP}"]
    head += ["correct2: mean over sets", "worst set", "correct3", "FP/image"]
    rows = [head, ["---"] * len(head)]
    for line in (line for line in lines if not line.skipped):
        cells = []
        for clip in clips:
            speeds = line.speeds[clip]
            times = "" if line.name == OURS else f" ({_times(ours.speeds[clip], speeds):.1f})"
            cells.append(f"{statistics.median(speeds):.1f}{times}")
            cells += [] if loop is None else [f"{_times(speeds, loop.speeds[clip]):.1f}"]
        two = line.correct(MASKED_AND_BARE)
        figures = [statistics.mean(two), min(two), statistics.mean(line.correct(LABELS))] if two else []
        figures += [statistics.mean(line.false_positives())] if two else []
        cells += [f"{value:.3f}" for value in figures] or [""] * 4
        rows.append([f"{line.name}: {line.about} ({line.versions})", *cells])
    text = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    skipped = [f"- {line.name} was skipped: {line.skipped}" for line in lines if line.skipped]
    return "\n\n".join([text, "\n".join(skipped)]) if skipped else text


def _times(speeds: Sequence[float], others: Sequence[float]) -> float:
    """Return the median of the ratios of rounds."""
    return statistics.median(a / b for a, b in zip(speeds, others, strict=True))


def _plot(lines: Sequence[Line], clip: str, file: Path) -> None:
    from matplotlib.figure import Figure
    from matplotlib.ticker import ScalarFormatter

    figure = Figure(figsize=(8, 4.8), layout="constrained")
    axes = figure.subplots()
    for i, line in enumerate(line for line in lines if not line.skipped):
        correct = line.correct(MASKED_AND_BARE)
        x, is_ours = statistics.median(line.speeds[clip]), line.name.startswith(OURS)
        colour = "#009E73" if is_ours else _COLOURS[i % len(_COLOURS)]
        marker = _MARKERS[i % len(_MARKERS)]
        axes.plot([x], [100 * statistics.mean(correct)], marker, markersize=10, color=colour, label=line.name)
    axes.margins(0.12)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.set_xlabel(f"frames a second, {clip} annotated (each step is twice as fast)")
    axes.set_ylabel(f"faces {_SAYS}, %\n(masked and bare, mean over data sets)")
    axes.set_title("Speed against accuracy, end to end: up and to the right is better", fontsize=11)
    axes.grid(alpha=0.3)
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False)
    figure.savefig(file, dpi=130, facecolor="white")


if __name__ == "__main__":
    main()
