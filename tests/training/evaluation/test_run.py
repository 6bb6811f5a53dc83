"""Evaluation: intervals, groups, curves, the run itself, and what it writes."""

from __future__ import annotations

import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest

import maskinfer
from maskinfer.engine.errors import OutputError, RequestError, SourceError, SourceNotFoundError
from maskinfer.engine.results import LABELS, BGRFrame, Detections, Face, FrameResult
from maskinfer.training.data.scenes import Scene, read_scenes
from maskinfer.training.evaluation.calibration import threshold_for_error
from maskinfer.training.evaluation.confidence import measure_confidence, threshold_on_every_set
from maskinfer.training.evaluation.detector import measure_detector, trace_curve
from maskinfer.training.evaluation.intervals import bootstrap, rate, share
from maskinfer.training.evaluation.matching import FalseFace, TrueFace, judge, to_dict
from maskinfer.training.evaluation.metrics import Outcome, by_set, by_size, by_slice, of_all, over_sets
from maskinfer.training.evaluation.run import Evaluation, evaluate
from maskinfer.training.evaluation.to_json import check_outputs, evaluation_dict, write_figures
from tests.helpers.progress import Watcher

PORTRAIT_BOX = [177, 60, 272, 180]


def test_wilsons_interval_against_the_values_in_print() -> None:
    # Newcombe 1998, table I: 81/263, 15/148, 0/20, 1/29.
    known = ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718))
    for count, total, low, high in known:
        found = share(count, total)
        assert (found.value, found.n) == (count / total, total)
        assert (found.low, found.high) == pytest.approx((low, high), abs=6e-5)


@pytest.mark.parametrize("total", [1, 7, 300])
def test_none_and_all_lie_in_their_own_interval(total: int) -> None:
    assert share(0, total).low == 0
    assert share(total, total).high == 1
    assert share(total, total).low == pytest.approx(1 - share(0, total).high)


def test_a_share_of_nothing_is_unknown() -> None:
    nothing = share(0, 0)
    assert (nothing.value, nothing.low, nothing.high, nothing.n) == (0, 0, 1, 0)


def test_the_bootstrap_of_a_mean_is_the_normal_interval() -> None:
    values = np.random.default_rng(0).normal(5, 2, 400)
    found = bootstrap(np.stack([values, np.ones(400)], axis=1), lambda sums: sums[:, 0] / sums[:, 1])
    half = 1.96 * values.std() / math.sqrt(400)
    assert found.value == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.25 * half)
    assert found == bootstrap(np.stack([values, np.ones(400)], axis=1), lambda sums: sums[:, 0] / sums[:, 1])


def test_a_rate_of_none_is_not_certainly_none() -> None:
    found = rate(np.zeros(100))
    assert (found.value, found.low) == (0, 0)
    assert found.high == pytest.approx(3.689 / 100, abs=1e-4)


def face(label: str, side: float = 40, score: float = 0.9) -> Face:
    return Face((0, 0, side, side), score, None, label, 0.8, {"with_mask": 0.8, "without_mask": 0.1, label: 0.8})


def true(
    scene: int, label: str, given: str | None, side: float = 40, set_: str = "a", slices: tuple[str, ...] = ()
) -> TrueFace:
    return TrueFace(scene, label, (0, 0, side, side), set_, slices, None if given is None else face(given))


def outcome(true_faces: list[TrueFace], false: list[FalseFace] | None = None, scenes: int = 4) -> Outcome:
    nowhere = np.zeros((0, 4), np.float32)
    sets = {found.scene: found.set for found in true_faces}
    night = {one.scene for one in false or [] if "night" in one.slices}
    made = (
        Scene(Path(f"{i}.jpg"), sets.get(i, ""), nowhere, (), ("night",) if i in night else ()) for i in range(scenes)
    )
    return Outcome(tuple(made), tuple(true_faces), tuple(false or []), counts_false_positives=True)


def test_the_figures_of_a_handful_of_faces() -> None:
    faces = [true(0, "with_mask", "with_mask"), true(0, "with_mask", "without_mask"), true(1, "with_mask", None)]
    faces.append(true(1, "without_mask", "without_mask"))
    found = of_all(outcome(faces, [FalseFace(2, "", (), face("with_mask"))]))
    masked = found.classes["with_mask"]
    assert masked.recall == share(2, 3)
    assert masked.label_recall == share(1, 2)
    assert masked.correct == share(1, 3)
    assert found.correct2.value == pytest.approx((1 / 3 + 1) / 2)
    # One label is all right, so both shares' own intervals are put together: no certainty from one face.
    low = found.correct2.value - math.hypot(1 / 3 - share(1, 3).low, 1 - share(1, 1).low) / 2
    assert found.correct2.low == pytest.approx(low)
    assert found.false_positives is not None
    assert (found.false_positives.value, found.false_positives.n) == (0.25, 4)
    assert "incorrect_mask" not in found.classes


def test_the_mean_of_labels_is_resampled_by_image() -> None:
    rng = np.random.default_rng(1)
    alike, mixed = [], []
    for i in range(200):
        right = rng.random() < 0.8
        for _ in range(5):
            alike.append(true(i, "with_mask", "with_mask" if right else None))
            mixed.append(true(i, "with_mask", "with_mask" if rng.random() < 0.8 else None))
    wide, narrow = of_all(outcome(alike, scenes=200)).correct2, of_all(outcome(mixed, scenes=200)).correct2
    # Five faces that are always all right or all wrong together are worth one.
    assert (wide.high - wide.low) / (narrow.high - narrow.low) == pytest.approx(math.sqrt(5), rel=0.3)


def test_a_threshold_holds_on_every_set_not_only_when_pooled() -> None:
    """Of 1,000 faces of one set all labels are right, of 100 of the other those under 0.9 are wrong."""
    p = np.concatenate([np.linspace(0.6, 0.999, 1000), np.linspace(0.6, 0.999, 100)])
    probabilities, truth = np.stack([p, 1 - p], 1), np.zeros(1100, np.int64)
    truth[1000:][p[1000:] < 0.9] = 1
    sets = np.asarray(["easy"] * 1000 + ["hard"] * 100)
    pooled = threshold_for_error(probabilities, truth, 0.1)
    found = threshold_on_every_set(probabilities, truth, sets, 0.1)
    assert pooled is not None
    assert found is not None
    assert pooled.value < 0.65 < 0.88 < found.value
    given = p[1000:] >= found.value
    assert (truth[1000:][given] == 1).mean() <= 0.1
    assert threshold_on_every_set(probabilities, np.ones(1100, np.int64), sets, 0.1) is None


def test_sets_sizes_and_slices() -> None:
    faces = [
        true(0, "with_mask", "with_mask", 16, "a"),
        true(0, "with_mask", None, 23.9, "a"),
        true(1, "without_mask", "without_mask", 24, "b", ("glasses",)),
        true(2, "without_mask", "with_mask", 64, "b", ("glasses", "night")),
    ]
    made = outcome(faces, [FalseFace(2, "b", ("night",), face("with_mask", 30))])
    assert {name: dict(found.score.faces) for name, found in by_set(made).items()} == {
        "a": {"with_mask": 2},
        "b": {"without_mask": 2},
    }
    sizes = by_size(made)
    assert list(sizes) == ["16-24 px", "24-32 px", "64+ px"]
    assert [found.score.false_positives for found in sizes.values()] == [0, 1, 0]
    slices = by_slice(made)
    assert list(slices) == ["glasses", "night"]
    assert slices["glasses"].classes["without_mask"].correct == share(1, 2)
    assert slices["glasses"].false_positives is None
    night = slices["night"].false_positives
    assert night is not None
    assert (night.value, night.n) == (1, 1)


def test_every_set_has_the_same_weight_whatever_its_size() -> None:
    """Of 90 faces in one set all are right, of 10 in the other half: 95 % when pooled, 75 % over sets."""
    faces = [true(0, "with_mask", "with_mask", set_="large") for _ in range(90)]
    faces += [true(1, "with_mask", "with_mask" if i % 2 else "without_mask", set_="small") for i in range(10)]
    made = outcome(faces, scenes=2)
    found = over_sets(by_set(made))
    assert found is not None
    assert of_all(made).correct2.value == pytest.approx(0.95)
    assert found.correct2.value == pytest.approx(0.75)
    assert found.correct2.low < 0.75 < found.correct2.high
    assert (found.worst_set, found.worst_correct2.value) == ("small", 0.5)
    assert over_sets({"only": of_all(made)}) is None


def test_masked_against_bare() -> None:
    faces = [true(i, "with_mask", "with_mask" if i % 2 else None) for i in range(20)]
    faces += [true(i, "incorrect_mask", "with_mask") for i in range(20)]
    faces += [true(i, "without_mask", "without_mask") for i in range(20)]
    found = measure_detector(outcome(faces, scenes=20), None)
    assert (found.masked, found.bare) == (share(30, 40), share(20, 20))
    assert found.difference.value == pytest.approx(-0.25)
    assert found.difference.low < -0.25 < found.difference.high < 0


def test_the_curve_at_each_threshold_is_a_run_at_that_threshold() -> None:
    rng = np.random.default_rng(5)
    scenes, found = [], []
    for i in range(30):
        corners = rng.uniform(0, 300, (6, 2))
        boxes = np.concatenate([corners, corners + rng.uniform(10, 90, (6, 2))], axis=1).astype(np.float32)
        labels = tuple(str(label) for label in rng.choice(LABELS, 6))
        scenes.append(Scene(Path(f"{i}.jpg"), "", boxes, labels))
        noise = rng.uniform(0, 300, (3, 2))
        around = np.concatenate([boxes + rng.normal(0, 6, boxes.shape), np.concatenate([noise, noise + 30], axis=1)])
        scores = np.sort(rng.uniform(0.05, 1, len(around)))[::-1].astype(np.float32)
        found.append(Detections(around[rng.permutation(len(around))].astype(np.float32), scores, None))
    curve = trace_curve(scenes, found)
    for i in (0, 25, 60, 90):
        threshold = float(curve.thresholds[i])
        judged = [judge(n, s, result(d, threshold)) for n, (s, d) in enumerate(zip(scenes, found, strict=True))]
        faces = [f for both in judged for f in both[0]]
        hits = [f for f in faces if f.found is not None]
        bare = [f for f in faces if f.label == "without_mask"]
        assert curve.recall[i] == share(len(hits), len(faces))
        assert curve.bare[i] == share(sum(f.found is not None for f in bare), len(bare))
        assert curve.false_positives[i] == pytest.approx(sum(len(both[1]) for both in judged) / 30)


def result(found: Detections, threshold: float) -> FrameResult:
    kept = [(box, score) for box, score in zip(found.xyxy, found.scores, strict=True) if score >= threshold]
    faces = (Face(tuple(box.tolist()), float(score), None, "with_mask", 1.0, {}) for box, score in kept)
    return FrameResult("", 0, 0.0, (400, 400), tuple(faces))


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


def test_a_folder_that_is_not_there_is_refused_at_once(tmp_path: Path) -> None:
    check_outputs(None, tmp_path / "x.json")
    with pytest.raises(OutputError, match="there is no folder"):
        check_outputs(tmp_path / "x.json", tmp_path / "absent/x.html")


def test_a_face_whose_label_the_classifier_lacks_is_always_wrong() -> None:
    faces = [true(i, "with_mask", "with_mask") for i in range(30)] + [true(9, "incorrect_mask", "with_mask")]
    found = measure_confidence(faces, ("with_mask", "without_mask"))
    assert found is not None
    assert (found.faces, found.foreign) == (31, 1)
    assert found.curve.errors[-1] == 1
    assert measure_confidence(faces[30:], ("with_mask", "without_mask")) is None


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
