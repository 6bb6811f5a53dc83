"""Trainings on some data sets of a folder: without one that is tested on, or with certain rights."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from maskinfer.engine.errors import RequestError  # noqa: E402
from maskinfer.training.classifier.dataset import draw_order, load_pictures  # noqa: E402
from maskinfer.training.classifier.recipe import load_recipe  # noqa: E402
from maskinfer.training.classifier.train import train  # noqa: E402
from tests.training.classifier.test_train import RECIPE  # noqa: E402

pytestmark = pytest.mark.train

RIGHTS = """
[rights]
a = "permissive"
c = "research only"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of the sets a, b and c; one of a is a copy of one of b."""
    folder = tmp_path_factory.mktemp("sources")
    rng = np.random.default_rng(0)
    lines = []
    for name in "abc":
        for label, colour in (("with_mask", (200, 120, 40)), ("without_mask", (60, 110, 190))):
            for n in range(8):
                picture = np.clip(rng.normal(colour, 25, (40, 36, 3)), 0, 255).astype(np.uint8)
                cv2.imwrite(str(folder / f"{name}-{label}-{n}.png"), picture)
                lines.append({"image": f"{name}-{label}-{n}.png", "set": name, "label": label})
    (folder / "b-with_mask-0.png").write_bytes((folder / "a-with_mask-0.png").read_bytes())
    (folder / "crops.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    file = tmp_path / "tiny.toml"
    file.write_text(RECIPE.replace("epochs = 3", "epochs = 1") + RIGHTS)
    return file


def _sets(sources: list[str]) -> set[str]:
    return {Path(source).name[0] for source in sources}


@pytest.mark.parametrize("split_by", ["random", "group"])
def test_a_set_is_left_out_and_reported_on(split_by: str, folder: Path, recipe: Path, tmp_path: Path) -> None:
    recipe.write_text(recipe.read_text().replace('split = "random"', f'split = "{split_by}"'))
    summary = train(str(recipe), [folder], tmp_path / "run", test_set="b")
    sides = json.loads((tmp_path / "run" / "split.json").read_text())
    assert (_sets(sides["train"]), _sets(sides["test"])) == ({"a", "c"}, {"b"})
    assert (
        len(sides["test"])
        == summary.tested
        == json.loads((tmp_path / "run" / "report.json").read_text())["macro avg"]["support"]
    )
    copied = str(folder / "a-with_mask-0.png") in sides["train"]
    assert copied == (split_by == "random")
    assert summary.trained == 32 - (split_by == "group")


def test_only_sets_with_these_rights_are_trained_on(folder: Path, recipe: Path, tmp_path: Path) -> None:
    for rights, expected in ((["permissive"], {"a"}), (["permissive", "none stated"], {"a", "b"})):
        out = tmp_path / "-".join(rights)
        train(str(recipe), [folder], out, dev=[folder], rights=rights)
        assert _sets(json.loads((out / "split.json").read_text())["train"]) == expected
        assert json.loads((out / "recipe.json").read_text())["use_rights"] == rights
    recipe.write_text('use_rights = ["research only"]\n' + recipe.read_text())
    train(str(recipe), [folder], tmp_path / "recipe", dev=[folder])
    assert _sets(json.loads((tmp_path / "recipe" / "split.json").read_text())["train"]) == {"c"}


def test_shares_are_of_what_is_trained_on(folder: Path, recipe: Path) -> None:
    plan = load_recipe(recipe)
    plan = replace(
        plan,
        schedule=replace(plan.schedule, draws_per_epoch=4000),
        sampling=replace(plan.sampling, class_shares={"with_mask": 0.5, "without_mask": 0.5}),
    )
    pictures = load_pictures(plan, [folder])
    # One masked picture of b beside eight bare ones of a: each half of the draws.
    masked = [i for i, (own, label) in enumerate(zip(pictures.sets, pictures.labels, strict=True)) if not label]
    bare = [i for i, (own, label) in enumerate(zip(pictures.sets, pictures.labels, strict=True)) if label]
    few = [i for i in masked if pictures.sets[i] == "b"][:1]
    order = draw_order(pictures, np.array(few + bare[:8], np.int64), plan)
    assert np.isin(order, few).mean() == pytest.approx(0.5, abs=0.05)


def test_what_cannot_be_left_out(folder: Path, recipe: Path, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="'d': choose one of a, b, c"):
        train(str(recipe), [folder], tmp_path / "1", test_set="d")
    with pytest.raises(RequestError, match="choose one"):
        train(str(recipe), [folder], tmp_path / "2", test_set="a", dev=[folder])
    with pytest.raises(RequestError, match="no picture to train on carries the label with_mask"):
        train(str(recipe), [folder], tmp_path / "3", test_set="a", rights=["permissive"])
