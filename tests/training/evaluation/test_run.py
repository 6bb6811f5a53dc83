"""Evaluation: intervals, groups, curves, the run itself, and what it writes."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest

import maskinfer
from maskinfer.engine.errors import OutputError, RequestError, SourceError, SourceNotFoundError
from maskinfer.engine.results import BGRFrame
from maskinfer.training.data.scenes import read_scenes
from maskinfer.training.evaluation.intervals import share
from maskinfer.training.evaluation.matching import to_dict
from maskinfer.training.evaluation.run import Evaluation, evaluate
from maskinfer.training.evaluation.to_json import evaluation_dict, write_figures
from tests.helpers.progress import Watcher

PORTRAIT_BOX = [177, 60, 272, 180]


@pytest.fixture(scope="module")
def engine(colour_classifier: Path) -> maskinfer.Engine:
    return maskinfer.load(classifier=str(colour_classifier), threads=1)


@pytest.fixture(scope="module")
def scenes_folder(portrait: BGRFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sets: the portrait with its face found; and one with a face annotated where none is, another left out."""
    folder = tmp_path_factory.mktemp("scenes")
    cv2.imwrite(str(folder / "one <b>.jpg"), portrait)
    cv2.imwrite(str(folder / "two.jpg"), portrait)
    here = {"bbox": PORTRAIT_BOX, "label": "without_mask", "slice": "close"}
    nowhere = {"bbox": [400, 400, 480, 500], "label": "with_mask"}
    records = [
        {"image": "one <b>.jpg", "set": "one", "faces": [here]},
        {"image": "two.jpg", "set": "two & more", "slice": ["wrong"], "faces": [nowhere]},
    ]
    (folder / "scenes.jsonl").write_text("\n".join(map(json.dumps, records)))
    return folder


@pytest.fixture(scope="module")
def evaluation(engine: maskinfer.Engine, scenes_folder: Path) -> Evaluation:
    return evaluate(engine, scenes_folder)


def test_a_run_over_scenes(evaluation: Evaluation, engine: maskinfer.Engine, scenes_folder: Path) -> None:
    assert evaluation.all.classes["without_mask"].recall == share(1, 1)
    assert evaluation.all.classes["with_mask"].recall == share(0, 1)
    assert evaluation.all.score.false_positives == 1
    assert list(evaluation.sets) == ["one", "two & more"]
    # Where a face is annotated that is none, the picture is dark.
    assert list(evaluation.slices) == ["close", "dark", "skin: light", "wrong"]
    curve = evaluation.detector.curve
    assert curve is not None
    assert curve.bare[0] == share(1, 1)
    # What is judged is what the engine itself gives.
    (found,) = engine(cv2.imread(str(scenes_folder / "two.jpg"))).faces
    (false,) = evaluation.outcome.false
    assert (false.face.label, false.face.xyxy, false.face.score) == (found.label, found.xyxy, found.score)


def test_the_predictions_are_written(engine: maskinfer.Engine, scenes_folder: Path, tmp_path: Path) -> None:
    watcher = Watcher()
    evaluate(engine, scenes_folder, jsonl=str(tmp_path / "x.jsonl"), progress=watcher)
    lines = [json.loads(line) for line in (tmp_path / "x.jsonl").read_text().splitlines()]
    assert (watcher.totals, watcher.counts) == ([2], [2])
    assert [Path(line["source"]).name for line in lines] == ["one <b>.jpg", "two.jpg"]
    assert all(len(line["faces"]) == 1 for line in lines)  # over the detector's own threshold only


def test_json(evaluation: Evaluation, tmp_path: Path) -> None:
    write_figures(evaluation, tmp_path / "x.json")
    figures = json.loads((tmp_path / "x.json").read_text())
    assert figures == json.loads(json.dumps(evaluation_dict(evaluation), allow_nan=False))
    assert list(figures) == ["all", "one", "two & more"]
    plain = to_dict(evaluation.all.score)
    assert figures["all"]["false_positives_per_image"] == plain["false_positives_per_image"] == 0.5
    assert figures["all"]["classes"]["without_mask"]["recall_95"] == [0.2065, 1.0]
    assert list(figures["all"]["sizes"]) == ["64+ px"]
    assert figures["all"]["confidence"]["faces"] == 1
    assert len(figures["all"]["detector"]["curve"]["recall"]) > 50


class Page(HTMLParser):
    """Collects what a page refers to, and whether its tags close."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.images: list[str] = []
        self.ids: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.links += [values[name] for name in ("href", "src", "xlink:href") if name in values]
        self.images += [values["src"]] if tag == "img" else []
        self.ids += [values["id"]] if "id" in values else []
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if self.open and self.open[-1] == tag:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_report_needs_nothing_else(evaluation: Evaluation, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    pytest.importorskip("jinja2")
    from maskinfer.training.evaluation.report.page import write_report

    write_report(evaluation, tmp_path / "x.html")
    text = (tmp_path / "x.html").read_text()
    page = Page(text)
    assert page.open == []
    assert all(link.startswith(("#", "data:")) for link in page.links)
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)
    assert "url(http" not in text
    assert "@import" not in text
    assert "one <b>" not in text  # file names are no markup
    assert "two &amp; more" in text
    assert not re.search(r"\{[{%#]", text)
    assert text.count("<svg") == 4
    # The portrait's face: labelled wrong or right, missed where none is, found where none is annotated.
    wrong = evaluation.all.score.right["without_mask"] == 0
    assert len(page.images) == 2 + wrong
    for image in page.images:
        assert image.startswith("data:image/jpeg;base64,")


def test_plots(evaluation: Evaluation, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from maskinfer.training.evaluation.plots import write_plots

    write_plots(evaluation, tmp_path / "new" / "plots")
    names = {file.name for file in (tmp_path / "new/plots").iterdir()}
    assert names == {
        *("confusion.png", "sizes.png", "detector.png", "reliability.png", "risk_coverage.png", "mistakes.png")
    }
    for name in names:
        image = cv2.imread(str(tmp_path / "new/plots" / name))
        assert image.std() > 5
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write to"):
        write_plots(evaluation, tmp_path / "file")


def test_a_report_of_nothing_found(engine: maskinfer.Engine, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    pytest.importorskip("jinja2")
    from maskinfer.training.evaluation.report.page import report_html

    cv2.imwrite(str(tmp_path / "x.jpg"), np.zeros((90, 90, 3), np.uint8))
    record = {"image": "x.jpg", "faces": [{"bbox": [1, 1, 41, 41], "label": "with_mask"}]}
    (tmp_path / "scenes.jsonl").write_text(json.dumps(record))
    found = evaluate(engine, tmp_path)
    assert found.confidence is None
    assert Page(report_html(found)).open == []
    json.dumps(evaluation_dict(found), allow_nan=False)


def crops_folder(portrait: BGRFrame, folder: Path) -> Path:
    for label, image in (("without_mask", portrait[20:230, 120:330]), ("with_mask", np.zeros((60, 50, 3), np.uint8))):
        (folder / label).mkdir(parents=True)
        cv2.imwrite(str(folder / label / "x.png"), image)
    return folder


def test_a_run_over_folders_of_crops(engine: maskinfer.Engine, portrait: BGRFrame, tmp_path: Path) -> None:
    found = evaluate(engine, crops_folder(portrait, tmp_path / "faces"))
    assert found.setup.kind != "scenes"
    assert found.all.classes["without_mask"].recall == share(1, 1)
    assert found.all.classes["with_mask"].recall == share(0, 1)
    assert found.all.false_positives is None
    assert found.detector.curve is None
    assert evaluation_dict(found)["all"]["false_positives_per_image"] is None
    (face,) = (f.found for f in found.outcome.true if f.found is not None)
    # In pixels of the picture itself, which begins at 120, 20 of the portrait.
    assert face.xyxy == pytest.approx([v - s for v, s in zip(PORTRAIT_BOX, (120, 20) * 2, strict=True)], abs=20)


def test_a_run_over_a_list_of_crops(engine: maskinfer.Engine, portrait: BGRFrame, tmp_path: Path) -> None:
    crops_folder(portrait, tmp_path / "faces")
    record = {"image": "faces/without_mask/x.png", "set": "s", "label": "without_mask", "slice": "close"}
    (tmp_path / "crops.jsonl").write_text(json.dumps(record))
    for data in (tmp_path, tmp_path / "crops.jsonl"):
        found = evaluate(engine, data)
        assert (list(found.sets), list(found.slices)) == (["s"], ["close", "skin: light"])
        assert found.all.classes["without_mask"].recall == share(1, 1)


def test_a_broken_list_of_crops(engine: maskinfer.Engine, tmp_path: Path) -> None:
    (tmp_path / "crops.jsonl").write_text('{"image": "a.jpg", "label": "with_mask"}\n{"image": "b.jpg"}\n')
    with pytest.raises(SourceError, match=r"crops\.jsonl:2 is not an annotated picture"):
        evaluate(engine, tmp_path)


def test_no_data(engine: maskinfer.Engine, tmp_path: Path) -> None:
    with pytest.raises(SourceNotFoundError, match="expected annotated scenes"):
        evaluate(engine, tmp_path)


def test_other_labels_are_left_out(engine: maskinfer.Engine, portrait_jpg: Path, tmp_path: Path) -> None:
    record = {"image": portrait_jpg.name, "faces": [{"bbox": PORTRAIT_BOX, "label": "painting"}]}
    (tmp_path / "scenes.jsonl").write_text(json.dumps(record))
    found = evaluate(engine, tmp_path)
    assert (found.outcome.true, found.outcome.false, found.confidence) == ((), (), None)
    assert found.detector.curve is not None
    assert found.detector.curve.recall[0].n == 0


def test_empty_data(engine: maskinfer.Engine, tmp_path: Path) -> None:
    (tmp_path / "scenes.jsonl").write_text("\n")
    with pytest.raises(SourceNotFoundError, match="holds nothing to evaluate"):
        evaluate(engine, tmp_path)


def test_scenes_without_faces_tell_of_false_positives(
    engine: maskinfer.Engine, portrait_jpg: Path, tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib")
    pytest.importorskip("jinja2")
    from maskinfer.training.evaluation.report.page import report_html

    (tmp_path / "scenes.jsonl").write_text(json.dumps({"image": portrait_jpg.name, "faces": []}))
    found = evaluate(engine, tmp_path)
    assert found.all.false_positives is not None
    assert found.all.false_positives.value == 1
    assert Page(report_html(found)).open == []
    json.dumps(evaluation_dict(found), allow_nan=False)


def test_an_impossible_error_rate(engine: maskinfer.Engine, scenes_folder: Path) -> None:
    with pytest.raises(RequestError, match="max_error"):
        evaluate(engine, scenes_folder, max_error=0)


def test_slices_are_read_from_scenes_and_faces(scenes_folder: Path) -> None:
    one, two = read_scenes(scenes_folder)
    assert (one.slices, one.face_slices) == ((), (("close",),))
    assert (two.slices, two.face_slices) == (("wrong",), ((),))
