"""How right ``maskinfer data audit`` is, by two measures that it does not know of.

python -m benchmarks.audit_twins DIR --set NAME    names give twins and copies away: N-with-mask.jpg is N.jpg with
                                                   a mask, augmented_image_N.jpg is a copy of some other picture
python -m benchmarks.audit_twins DIR --made 100    copies are made of 100 random pictures and looked for
"""

from __future__ import annotations

import re
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np
from numpy.typing import NDArray

from maskinfer.engine.files.images import read_image, write_image
from maskinfer.engine.results import WITHOUT_MASK, BGRFrame
from maskinfer.training.data.audit.compare import Kind
from maskinfer.training.data.audit.items import Item, read_items
from maskinfer.training.data.audit.run import Audit, audit_folders

NUMBERED = re.compile(r"(\d+)(-with-mask)?")
AUGMENTED = re.compile(r"augmented_image_\d+")
Change = Callable[[BGRFrame, np.random.Generator], Any]


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--set", "sets", multiple=True, help="Only this data set; may be given several times.")
@click.option("--made", type=int, help="Look for made copies of so many pictures, not for those that names tell.")
@click.option("--seed", default=0, show_default=True, help="Of the made copies.")
def main(folder: Path, sets: tuple[str, ...], made: int | None, seed: int) -> None:
    """Print precision and recall of the audit of a folder."""
    if made is not None:
        print_made(read_items([folder], sets), made, seed)
        return
    audit = audit_folders([folder], sets)
    print_named(audit)
    print_augmented(audit)


def numbers_of(audit: Audit) -> dict[int, set[tuple[str, str]]]:
    """Return the numbers (set, N) that a picture's name or that of a byte-identical one carries."""
    masked_sets = {item.set for item in audit.items if item.path.stem.endswith("-with-mask")}
    by_copy: dict[int, set[tuple[str, str]]] = defaultdict(set)
    copies = audit.copies().tolist()
    for item, copy in zip(audit.items, copies, strict=True):
        if item.set in masked_sets and (match := NUMBERED.fullmatch(item.path.stem)):
            by_copy[copy].add((item.set, match[1]))
    return {i: by_copy[copy] for i, copy in enumerate(copies) if copy in by_copy}


def named_twins(items: Sequence[Item]) -> Iterator[tuple[str, int, int]]:
    index = {(item.set, item.path.stem): i for i, item in enumerate(items)}
    for (name, stem), i in index.items():
        bare = index.get((name, stem.removesuffix("-with-mask")))
        if stem.endswith("-with-mask") and bare is not None and items[bare].label == WITHOUT_MASK:
            yield stem.removesuffix("-with-mask"), i, bare


def print_named(audit: Audit) -> None:
    copies = audit.copies()
    found = {frozenset(copies[[a, b]].tolist()) for a, b in audit.pairs("twin").tolist()}
    named = list(named_twins(audit.items))
    missed = [n for n, a, b in named if frozenset(copies[[a, b]].tolist()) not in found]
    click.echo(f"twins that names tell: {len(named)}, found {len(named) - len(missed)}: {rate(named, missed)} recall")
    click.echo(f"  missed, by number: {' '.join(sorted(missed, key=int)) or 'none'}")
    numbers = numbers_of(audit)
    print_precision(audit, numbers, "twins found", "twin")
    print_precision(audit, numbers, "copies found", "near", "augmented")
    of_group: dict[int, set[tuple[str, str]]] = defaultdict(set)
    for i, carried in numbers.items():
        of_group[int(audit.groups[i])] |= carried
    # One wrong pair, also of pictures whose names tell nothing, would unite two numbers.
    mixed = [" ".join(sorted(number for _, number in carried)) for carried in of_group.values() if len(carried) > 1]
    click.echo(f"groups that a number belongs to: {len(of_group)}; with several: {len(mixed)} ({'; '.join(mixed)})")


def print_precision(audit: Audit, numbers: Mapping[int, set[tuple[str, str]]], title: str, *kinds: Kind) -> None:
    pairs = audit.pairs(*kinds).tolist()
    told = [(a, b) for a, b in pairs if a in numbers and b in numbers]
    wrong = [(a, b) for a, b in told if not numbers[a] & numbers[b]]
    click.echo(
        f"{title}: {len(pairs)}, of which both names carry a number: {len(told)}; the same number: "
        f"{len(told) - len(wrong)}: {rate(told, wrong)} precision"
    )
    for a, b in wrong:
        click.echo(f"  different numbers: {audit.items[a].name} and {audit.items[b].name}")


def print_augmented(audit: Audit) -> None:
    augmented = {i for i, item in enumerate(audit.items) if AUGMENTED.fullmatch(item.path.stem)}
    groups = audit.groups
    originals = {int(groups[i]) for i in range(len(audit.items)) if i not in augmented}
    lone = [i for i in augmented if (groups == groups[i]).sum() == 1]
    orphans = [i for i in augmented if int(groups[i]) not in originals]
    click.echo(
        f"augmented copies that names tell: {len(augmented)}; grouped with an original {rate(augmented, orphans)}, "
        f"with any other picture {rate(augmented, lone)}"
    )


def rate(everything: Sequence[object] | set[int], failed: Sequence[object]) -> str:
    return f"{1 - len(failed) / max(1, len(everything)):.1%}"


def turned(bgr: BGRFrame, degrees: float, scale: float = 1.0, shift: float = 0.0) -> NDArray[np.generic]:
    height, width = bgr.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, scale)
    matrix[:, 2] += (shift * width, shift * height)
    return cv2.warpAffine(bgr, matrix, (width, height))


def cut(bgr: BGRFrame, share: float, rng: np.random.Generator) -> NDArray[np.generic]:
    height, width = (int(side * share) for side in bgr.shape[:2])
    top, left = (int(rng.uniform(0, side * (1 - share))) for side in bgr.shape[:2])
    return bgr[top : top + height, left : left + width]


CHANGES: Mapping[str, Change] = {
    "saved at JPEG quality 30": lambda x, _: cv2.imdecode(cv2.imencode(".jpg", x, [1, 30])[1], 1),
    "scaled to a third": lambda x, _: cv2.resize(x, None, fx=1 / 3, fy=1 / 3, interpolation=cv2.INTER_AREA),
    "squeezed to 80 % of the width": lambda x, _: cv2.resize(x, None, fx=0.8, fy=1),
    "mirrored": lambda x, _: x[:, ::-1],
    "turned by 15 degrees": lambda x, _: turned(x, 15),
    "turned by 25 degrees, mirrored": lambda x, _: turned(x, 25)[:, ::-1],
    "zoomed by 1.2": lambda x, _: turned(x, 0, 1.2),
    "shifted by 10 %": lambda x, _: turned(x, 0, 1, 0.1),
    "cut to 80 % of the sides": lambda x, rng: cut(x, 0.8, rng),
    "cut to 60 % of the sides": lambda x, rng: cut(x, 0.6, rng),
    "blurred by 1 % of the side": lambda x, _: cv2.GaussianBlur(x, (0, 0), max(x.shape) / 100),
    "noise of 25 levels": lambda x, rng: np.clip(x + rng.normal(0, 25, x.shape), 0, 255).astype(np.uint8),
    "darkened to 60 %": lambda x, _: (x * 0.6).astype(np.uint8),
    "made grey": lambda x, _: cv2.cvtColor(cv2.cvtColor(x, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR),
}


def print_made(items: Sequence[Item], count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(items))[:count].tolist()
    with tempfile.TemporaryDirectory() as folder:
        for i in chosen:
            bgr = read_image(items[i].path)
            for k, change in enumerate([lambda x, _: x, *CHANGES.values()]):
                file = Path(folder) / "any" / f"{i}_{k}.jpg"
                file.parent.mkdir(exist_ok=True)
                write_image(file, np.ascontiguousarray(change(bgr, rng), np.uint8))
        audit = audit_folders([Path(folder)])
    index = {item.path.stem: n for n, item in enumerate(audit.items)}
    direct = {(a, b) for a, b in audit.pairs().tolist()}
    click.echo(f"copies made of {len(chosen)} pictures: found as a pair with the original, in one group with it")
    for k, name in enumerate(CHANGES, 1):
        pairs = [sorted((index[f"{i}_0"], index[f"{i}_{k}"])) for i in chosen]
        unpaired = [pair for pair in pairs if tuple(pair) not in direct]
        apart = [pair for pair in pairs if audit.groups[pair[0]] != audit.groups[pair[1]]]
        click.echo(f"  {name:32s} {rate(pairs, unpaired):>7s} {rate(pairs, apart):>7s}")


if __name__ == "__main__":
    main()
