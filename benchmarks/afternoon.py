"""An afternoon at a door, played from the first picture to the promoted model, by the commands that a user calls.

    python -m benchmarks.afternoon DATA PLACE --out FOLDER [--camera plain|infrared|night] [--faces N ...] [--repeats N]

One set of annotated scenes, PLACE, plays the place. Half of its pictures, drawn at random, is its pool, the other
half only tests; both go through the camera. `maskinfer collect` collects the doubtful ones of the pool and all of
the others (with --take all, all of the pool too). A labeller that knows the truth answers every face through the
page's own HTTP API: a face that no truth belongs to cannot be told, and one that was missed is added. The first N
faces, in the order in which they were asked for, are learnt from; `maskinfer compare --gate` says what that is
worth on the place's test and on the other sets of DATA, which stay as they are. The last model that passes is
promoted, used, and rolled back.

FOLDER gets `afternoon.json` with every figure, the page of the comparison, and `curve.png`.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np

from benchmarks.afternoon_parts import CAMERAS, Labelling, draw_curve, label_by_truth
from maskinfer.engine.files.images import read_image
from maskinfer.training.data.scenes import Scene, read_scenes

FACES = (50, 150, 500)
_SPARE = {"OMP_NUM_THREADS": "1"}


@dataclass(frozen=True, slots=True)
class Done:
    """A command that has ended: its status, what it printed, and its processor time."""

    status: int
    said: str
    cpu_s: float


def maskinfer(*arguments: object, out: Path, may_fail: bool = False) -> Done:
    """Run a command; what is promoted stays in the folder of the afternoon."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "maskinfer", *map(str, arguments)]
    own = {**os.environ, **_SPARE, "MASKINFER_PROMOTED": str(out / "promoted")}
    done = subprocess.run(command, capture_output=True, text=True, env=own, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode and not may_fail:
        raise click.ClickException(f"{' '.join(command)}: {done.stderr or done.stdout}")
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Done(done.returncode, done.stdout, cpu_s)


def lay_out(scenes: Sequence[Scene], folder: Path, camera: str, seed: int) -> dict[str, Scene]:
    """Write pictures as a camera sees them, numbered; return the scene that each name stands for."""
    folder.mkdir(parents=True)
    rng, by_name = np.random.default_rng(seed), {}
    for number, scene in enumerate(scenes):
        name = f"{folder.name}{number:04}.jpg"
        cv2.imwrite(str(folder / name), CAMERAS[camera](read_image(scene.path), rng), [cv2.IMWRITE_JPEG_QUALITY, 92])
        by_name[name] = scene
    return by_name


def collect(pictures: Path, site: Path, share: float, out: Path) -> Done:
    """Collect what is doubtful (a share to test on of 0), or everything (1)."""
    limits = ("--per-day", 100_000, "--per-visit", 1, "--test-share", share)
    return maskinfer("collect", f"door={pictures}", "--out", site, *limits, "--threads", 1, out=out)


def collect_all_to_learn_from(pictures: Path, site: Path, out: Path) -> Done:
    """Collect everything, but to learn from."""
    done = collect(pictures, site, 1, out)
    pool = site / "pool.jsonl"
    pool.write_text(pool.read_text().replace('"part":"test"', '"part":"pool"'))
    return done


def first_faces(site: Path, count: int, order: Sequence[str], folder: Path) -> int:
    """Write a folder of the pictures that were labelled first, until they show so many faces; return how many do."""
    lines = {Path(json.loads(line)["image"]).stem: line for line in (site / "scenes.jsonl").read_text().splitlines()}
    folder.mkdir(parents=True)
    chosen, faces = [], 0
    for record in (json.loads(lines[picture]) for picture in order if picture in lines):
        if faces >= count:
            break
        record["image"] = str((site / record["image"]).resolve())
        faces += sum(face["label"] != "cannot_tell" for face in record["faces"])
        chosen.append(json.dumps(record) + "\n")
    (folder / "scenes.jsonl").write_text("".join(chosen))
    return faces


def write_elsewhere(data: Path, place: str, out: Path) -> list[Path]:
    """Write a folder for each other set; return them."""
    found: dict[str, list[str]] = {}
    for line in (data / "scenes.jsonl").read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        if record["set"] != place:
            record["image"] = str((data / record["image"]).resolve())
            found.setdefault(record["set"], []).append(json.dumps(record) + "\n")
    folders = []
    for name, lines in sorted(found.items()):
        folders.append(out / "elsewhere" / name)
        folders[-1].mkdir(parents=True)
        (folders[-1] / "scenes.jsonl").write_text("".join(lines))
    return folders


def train(model: str, data: Path, run: Path, seed: int, options: Sequence[str], out: Path) -> dict[str, Any]:
    """Tune a model; return what it took."""
    done = maskinfer("train", "--start", model, "--data", data, "--seed", seed, *options, "--out", run, out=out)
    return {"cpu_s": round(done.cpu_s, 1), "said": done.said.strip().splitlines()[-1]}


def compare(model: str, runs: Sequence[Path], places: Sequence[Path], out: Path) -> tuple[Done, list[dict[str, Any]]]:
    """Compare models with the one that they began as; return what is said of each."""
    files = [run / "model.onnx" for run in runs]
    data = [part for place in places for part in ("--data", place)]
    asked = ("--gate", "--threads", 1, "--json", out / "compared.json", "--html", out / "compared.html")
    done = maskinfer("compare", model, *files, *data, *asked, out=out, may_fail=True)
    if not (out / "compared.json").is_file():
        raise click.ClickException(done.said)
    return done, json.loads((out / "compared.json").read_text())["new"]


def promote(model: str, run: Path, compared: Path, picture: Path, out: Path) -> list[str]:
    """Promote the old model as `site`, then the new one; label a picture with it, go back; return what was said."""
    said = []
    for arguments in (
        ("models", "promote", model, "--as", "site"),
        ("models", "promote", run / "model.onnx", "--as", "site", "--comparison", compared),
        ("image", picture, "--classifier", "site", "-o", out / "annotated"),
        ("models", "history", "site"),
        ("models", "rollback", "site"),
    ):
        done = maskinfer(*arguments, out=out, may_fail=True)
        said.append(f"{' '.join(map(str, arguments[:2]))}: {done.status}")
    return said


def play(
    data: Path, place: str, out: Path, camera: str, take: str, seed: int
) -> tuple[Path, Labelling, list[dict[str, Any]]]:
    """Collect and label; return the folder of the place, how the labelling went, and what each command took."""
    scenes = [scene for scene in read_scenes(data) if scene.set == place]
    order = np.random.default_rng(seed).permutation(len(scenes))
    pool, test = (sorted(half) for half in (order[: len(order) // 2].tolist(), order[len(order) // 2 :].tolist()))
    rng = np.random.default_rng(seed)
    rng.shuffle(pool)
    truth = lay_out([scenes[i] for i in pool], out / "pool", camera, seed)
    truth |= lay_out([scenes[i] for i in test], out / "test", camera, seed + 1)
    site = out / "site"
    gather = collect_all_to_learn_from if take == "all" else lambda a, b, c: collect(a, b, 0, c)
    steps = [
        {"step": "collect, to learn from", "cpu_s": round(gather(out / "pool", site, out).cpu_s, 1)},
        {"step": "collect, to test on", "cpu_s": round(collect(out / "test", site, 1, out).cpu_s, 1)},
    ]
    started = time.perf_counter()
    labelling = label_by_truth(site, truth)
    steps.append({"step": "label", "wall_s": round(time.perf_counter() - started, 1), "faces": labelling.answers})
    return site, labelling, steps


@click.command(help=__doc__)
@click.argument("data", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("place")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="A new folder for everything.")
@click.option("--camera", type=click.Choice(sorted(CAMERAS)), default="plain", show_default=True)
@click.option("--take", type=click.Choice(["doubtful", "all"]), default="doubtful", show_default=True)
@click.option("--faces", type=int, multiple=True, default=FACES, show_default=True)
@click.option("--repeats", default=1, show_default=True, help="Trainings with so many faces, each with another seed.")
@click.option("--model", default="mobilenetv2-128", show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.argument("options", nargs=-1)
def main(
    data: Path,
    place: str,
    out: Path,
    camera: str,
    take: str,
    faces: tuple[int, ...],
    repeats: int,
    model: str,
    seed: int,
    options: tuple[str, ...],
) -> None:
    out = out.resolve()
    site, labelling, steps = play(data, place, out, camera, take, seed)
    click.echo(f"{labelling}; {steps}")
    rows: list[dict[str, Any]] = []
    for count in faces:
        learnt = first_faces(site, count, labelling.order, out / f"first{count}")
        for repeat in range(repeats):
            run = out / "runs" / f"{count}-{repeat}"
            took = train(model, out / f"first{count}", run, seed + repeat, options, out)
            rows.append({"asked": count, "faces": learnt, "run": str(run), **took})
            click.echo(took["said"])
        if learnt < count:
            break
    places = [site / "test", *write_elsewhere(data, place, out)]
    done, judged = compare(model, [Path(row["run"]) for row in rows], places, out)
    for row, found in zip(rows, judged, strict=True):
        row |= {"sentence": found["sentence"], "passes": found["passes"], "worse": found["worse"]}
        row["places"] = {Path(one["data"]).name: one["groups"][0] for one in found["places"]}
        click.echo(f"{row['faces']} faces, {row['cpu_s']} s: {found['sentence']}; {found['worse'] or 'passes'}")
    click.echo(f"compared in {done.cpu_s:.0f} s, exit status {done.status}")
    passed = [row for row in rows if row["passes"]]
    if passed:
        picture = min((out / "test").iterdir())
        steps.append(
            {"step": "promote", "said": promote(model, Path(passed[-1]["run"]), out / "compared.json", picture, out)}
        )
        click.echo(f"{passed[-1]['run']}: {steps[-1]['said']}")
    record = {"place": place, "camera": camera, "take": take, "model": model, "options": options, "steps": steps}
    (out / "afternoon.json").write_text(json.dumps({**record, "rows": rows}, indent=1))
    draw_curve(rows, f"{place}, {camera} camera", out / "curve.png")


if __name__ == "__main__":
    main()
