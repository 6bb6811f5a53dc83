"""Audits of pictures that are made here out of a few photos: what each is to the others is known."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from maskinfer.console.audit import show_audit
from maskinfer.engine.errors import OutputError, RequestError, SourceNotFoundError
from maskinfer.engine.results import BGRFrame
from maskinfer.training.data.audit.fingerprints import MIRROR_SIGNS, Print, in_threads, mirrored_features, take_print
from maskinfer.training.data.audit.related import related_groups
from maskinfer.training.data.audit.run import Audit, audit_folders
from maskinfer.training.data.audit.sheet import write_sheet
from maskinfer.training.data.audit.to_json import check_outputs, to_dict, write_json
from maskinfer.training.data.masks.demo_clip import PORTRAIT_LANDMARKS, PORTRAIT_XYXY
from maskinfer.training.data.masks.draw import STYLES, draw_mask
from tests.conftest import shared
from tests.helpers.progress import Watcher

BARE, MASKED = "without_mask", "with_mask"


def masked(portrait: BGRFrame, style: str) -> BGRFrame:
    rng = np.random.default_rng(0)
    drawn = draw_mask(portrait, PORTRAIT_LANDMARKS, PORTRAIT_XYXY, style=style, wear="correct", rng=rng)
    return drawn[20:270, 110:350]


def turned(bgr: BGRFrame, degrees: float, scale: float = 1.0) -> BGRFrame:
    height, width = bgr.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, scale)
    return np.asarray(cv2.warpAffine(bgr, matrix, (width, height)), np.uint8)


def half_and_half(a: BGRFrame, b: BGRFrame) -> BGRFrame:
    joined = a.copy()
    joined[len(a) // 2 :] = cv2.resize(b, (a.shape[1], len(a) - len(a) // 2))
    return joined


@pytest.fixture(scope="module")
def folder(portrait: BGRFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A portrait in many guises, and photos that have nothing to do with it or with each other."""
    data = pytest.importorskip("skimage.data")
    face = portrait[20:270, 110:350]
    rng = np.random.default_rng(0)
    others = {name: np.ascontiguousarray(getattr(data, name)()[..., ::-1]) for name in ("chelsea", "coffee", "rocket")}
    pictures = {
        f"{BARE}/face.png": face,
        f"{BARE}/small.jpg": cv2.resize(face, None, fx=0.4, fy=0.4, interpolation=cv2.INTER_AREA),
        f"{BARE}/squeezed.png": cv2.resize(face, (180, 250), interpolation=cv2.INTER_AREA),
        f"{BARE}/mirrored.png": face[:, ::-1],
        f"{BARE}/noisy.png": np.clip(face + rng.normal(0, 20, face.shape), 0, 255).astype(np.uint8),
        f"{BARE}/blurred.png": cv2.GaussianBlur(face, (0, 0), 2),
        f"{BARE}/turned.png": turned(face, 18),
        f"{BARE}/zoomed.png": turned(face, -10, 1.2)[:, ::-1],
        f"{BARE}/cut.png": face[20:220, 30:220],
        f"{MASKED}/wrong.jpg": cv2.resize(face, None, fx=0.8, fy=0.8, interpolation=cv2.INTER_AREA),
        f"{MASKED}/turned_mask.png": turned(masked(portrait, "cloth"), -12)[:, ::-1],
        f"{MASKED}/other_below.png": half_and_half(face, others["chelsea"]),
        **{f"{MASKED}/{style}.png": masked(portrait, style) for style in STYLES},
        **{f"{MASKED}/{name}.png": picture for name, picture in others.items()},
        f"{BARE}/camera.png": data.camera(),
        f"{BARE}/bricks.png": data.brick()[:28, :400],
    }
    made = tmp_path_factory.mktemp("pictures")
    for name, picture in pictures.items():
        (made / name).parent.mkdir(exist_ok=True)
        cv2.imwrite(str(made / name), picture)
    shutil.copy(made / BARE / "face.png", made / BARE / "zz_copy.png")
    (made / MASKED / "broken.jpg").write_bytes(b"no picture")
    return made


@pytest.fixture(scope="module")
def audit(folder: Path) -> Audit:
    return audit_folders([folder])


def to_face(audit: Audit) -> dict[str, tuple[str, bool, bool]]:
    """Return kind, mirrored and contradiction of each picture that is found to belong to face.png."""
    found = {}
    for f in audit.findings:
        names = {audit.items[f.a].path.stem, audit.items[f.b].path.stem}
        if "face" in names:
            (other,) = names - {"face"}
            found[other] = (f.kind, f.mirrored, f.contradiction)
    return found


def test_each_guise_is_found_for_what_it_is(audit: Audit) -> None:
    assert to_face(audit) == {
        "zz_copy": ("identical", False, False),
        "small": ("near", False, False),
        "squeezed": ("near", False, False),
        "mirrored": ("near", True, False),
        "noisy": ("near", False, False),
        "blurred": ("near", False, False),
        "turned": ("augmented", False, False),
        "zoomed": ("augmented", True, False),
        "cut": ("augmented", False, False),
        "wrong": ("near", False, True),
        "turned_mask": ("twin", True, False),
        **dict.fromkeys(STYLES, ("twin", False, False)),
    }


def test_other_pictures_belong_to_nothing(audit: Audit) -> None:
    sizes = np.bincount(audit.groups)
    alone = {item.path.stem for item, group in zip(audit.items, audit.groups, strict=True) if sizes[group] == 1}
    assert alone == {"chelsea", "coffee", "rocket", "camera", "bricks", "broken", "other_below"}
    assert sorted(sizes)[-2:] == [1, len(audit.items) - len(alone)]


def test_broken_and_tiny_pictures_are_named(audit: Audit) -> None:
    assert [audit.items[i].name for i in audit.tiny] == [f"{BARE}/bricks.png"]
    broken = f"{MASKED}/broken.jpg"
    why = f"{audit.folders[0] / broken} is not an image that can be read, or it is broken"
    assert {audit.items[i].name: said for i, said in audit.unreadable.items()} == {broken: why}


def test_an_audit_is_repeatable_and_tells_how_far_it_is(folder: Path, audit: Audit) -> None:
    watcher = Watcher()
    again = audit_folders([folder], progress=watcher)
    assert (again.findings, again.groups.tolist()) == (audit.findings, audit.groups.tolist())
    assert watcher.stages == ["pictures", "pairs"]
    assert watcher.totals[0] == len(audit.items)
    assert watcher.counts == watcher.totals


def lists(folder: Path, file: str, *records: object) -> Path:
    (folder / file).write_text("".join(json.dumps(record) + "\n" for record in records))
    return folder


def test_lists_scenes_and_sets(folder: Path, tmp_path: Path) -> None:
    one, two = str(folder / BARE / "face.png"), str(folder / BARE / "camera.png")
    lists(
        tmp_path,
        "crops.jsonl",
        {"image": one, "set": "crops", "label": BARE},
        {"image": one, "set": "crops", "label": "masked, perhaps"},
    )
    faces = [{"bbox": [1, 2, 30, 40], "label": label} for label in (MASKED, BARE)]
    lists(tmp_path, "scenes.jsonl", {"image": one, "set": "scenes", "faces": faces})
    lists(tmp_path, "scenes_bare.jsonl", {"image": two, "set": "bare", "every_face": BARE})
    audit = audit_folders([tmp_path])
    assert [item.label for item in audit.items] == [BARE, "masked, perhaps", BARE, "with_mask+without_mask"]
    # The scene holds a bare face, as the first record says.
    assert [(f.a, f.b, f.kind, f.contradiction) for f in audit.findings] == [
        (0, 1, "identical", True),
        (0, 3, "identical", False),
    ]
    assert [item.set for item in audit_folders([tmp_path], ["bare", "scenes"]).items] == ["bare", "scenes"]
    with pytest.raises(RequestError, match="no set 'seed': choose from bare, crops, scenes"):
        audit_folders([tmp_path], ["seed"])


def test_too_few_features_for_a_vocabulary(tmp_path: Path) -> None:
    (tmp_path / BARE).mkdir()
    ramp = np.tile(np.linspace(0, 255, 64), (48, 1)).astype(np.uint8)
    for name, picture in (("ramp", ramp), ("same", ramp), ("flat", np.full((40, 40), 90, np.uint8))):
        cv2.imwrite(str(tmp_path / BARE / f"{name}.png"), picture)
    audit = audit_folders([tmp_path])
    assert [(f.kind, audit.items[f.a].path.stem, audit.items[f.b].path.stem) for f in audit.findings] == [
        ("identical", "ramp", "same")
    ]


def test_no_folder_and_two_splits(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(SourceNotFoundError, match="is not a folder"):
        audit_folders([tmp_path / "none"])
    with pytest.raises(RequestError, match="choose one"):
        audit_folders([folder], split_file=tmp_path / "split.json", test_share=0.2)


def test_a_mirrored_picture_has_mirrored_features_and_hash(folder: Path) -> None:
    one, other = (take_print(folder / BARE / name) for name in ("face.png", "mirrored.png"))
    assert isinstance(one, Print)
    assert isinstance(other, Print)
    assert (one.hash * MIRROR_SIGNS == other.hash).mean() > 0.99
    distances = np.linalg.norm(
        mirrored_features(one.features)[:, None].astype(float) - other.features[None].astype(float), axis=2
    )
    assert np.median(distances.min(1)) < 10 < 60 < np.median(np.linalg.norm(one.features[:-1] - 1.0, axis=1))


def test_threads_keep_the_order() -> None:
    assert list(in_threads(lambda x: x * x, range(100))) == [x * x for x in range(100)]
    assert list(in_threads(str, [])) == []


def test_a_split_is_read_and_audited(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "split.json"
    sides = {"train": [f"{BARE}/face.png", f"{MASKED}/coffee.png"], "test": [f"{BARE}/small.jpg", f"{BARE}/camera.png"]}
    file.write_text(json.dumps(sides))
    leaks = audit_folders([folder], split_file=file).leaks
    assert leaks is not None
    assert (leaks.test, leaks.related, leaks.by_kind["near"], leaks.by_kind["twin"]) == (2, 1, 1, 0)


@pytest.fixture
def two_folders(folder: Path, tmp_path: Path) -> tuple[Path, Path]:
    """One holds a face and a photo, the other the same face, smaller, and another photo."""
    for name, label, pictures in (("a", BARE, ("face.png", "camera.png")), ("b", BARE, ("small.jpg", "astronaut.png"))):
        (tmp_path / name / label).mkdir(parents=True)
        for picture in pictures:
            found = folder / label / picture
            shutil.copy(found if found.is_file() else folder / MASKED / "coffee.png", tmp_path / name / label / picture)
    return tmp_path / "a", tmp_path / "b"


def test_what_training_has_of_another_folder(two_folders: tuple[Path, Path]) -> None:
    a, b = two_folders
    found = audit_folders([a], tests=[b])
    assert found.leaks is not None
    assert (found.leaks.test, found.leaks.related, found.leaks.by_kind["near"]) == (2, 1, 1)
    assert [item.name for item in found.items][:1] == [(a / BARE / "camera.png").as_posix()]
    with pytest.raises(RequestError, match="choose one"):
        audit_folders([a], tests=[b], test_share=0.2)


def test_the_split_of_a_run_folder_names_whole_paths(
    two_folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sides = {"train": [f"a/{BARE}/face.png"], "test": [f"b/{BARE}/small.jpg", str(tmp_path / f"a/{BARE}/camera.png")]}
    (tmp_path / "split.json").write_text(json.dumps(sides))
    leaks = audit_folders([Path("a"), Path("b")], split_file=tmp_path / "split.json").leaks
    assert leaks is not None
    assert (leaks.test, leaks.related) == (2, 1)
    with pytest.raises(RequestError, match=f"names b/{BARE}/small.jpg, .* name its folder too"):
        audit_folders([Path("a")], split_file=tmp_path / "split.json")


def test_relatives_in_different_folders_stay_together(two_folders: tuple[Path, Path]) -> None:
    sources = [str(f) for folder in two_folders for f in sorted((folder / BARE).iterdir())]
    camera, face, photo, small = related_groups(two_folders, [BARE], sources)
    assert face == small
    assert len({camera, face, photo}) == 3


def test_the_tables_say_what_was_found(folder: Path, audit: Audit, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("sklearn")
    show_audit(audit_folders([folder], test_share=0.3, seed=2))
    shown = capsys.readouterr().out
    for said in ("byte-identical", "twins", "tiny", "seed 2", "broken.jpg is not an image"):
        assert said in shown
    twins = sum(f.kind == "twin" for f in audit.findings)
    assert re.search(rf"twins: same photo.*?│\s+{twins} │", shown)


def test_the_record_holds_all_findings(audit: Audit, tmp_path: Path) -> None:
    write_json(audit, tmp_path / "audit.json")
    record = json.loads((tmp_path / "audit.json").read_text())
    assert record == to_dict(audit)
    assert sum(map(len, record["findings"].values())) == len(audit.findings)
    assert record["faces"] == {audit.folders[0].name: {MASKED: 12, BARE: 12}}
    (group,) = record["groups"]
    assert {f"{BARE}/face.png", f"{MASKED}/surgical.png"} < set(group)


def test_the_sheet_shows_pairs(audit: Audit, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    write_sheet(audit, tmp_path / "sheet.png")
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    # One group: a pair each of contradictions, twins, augmented copies, near-duplicates, identical files.
    in_a_frame = (sheet[:, 46] == 0xF4).all(1)
    assert np.count_nonzero(np.diff(in_a_frame.astype(int)) == 1) == 5


def test_what_cannot_be_written_is_said_before_the_audit_too(audit: Audit, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    for name, error in (("sheet.jpg", RequestError), ("none/sheet.png", OutputError)):
        with pytest.raises(error) as late:
            write_sheet(audit, tmp_path / name)
        with pytest.raises(error, match=re.escape(str(late.value))):
            check_outputs(None, tmp_path / name)
    with pytest.raises(OutputError, match="there is no folder"):
        check_outputs(tmp_path / "none" / "a.json", None)
    (tmp_path / "a.json").write_text("as it was")
    check_outputs(tmp_path / "a.json", tmp_path / "sheet.png")
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("a.json", "as it was")]


def test_a_sheet_of_nothing(audit: Audit, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    (tmp_path / BARE).mkdir()
    shutil.copy(audit.folders[0] / BARE / "camera.png", tmp_path / BARE)
    write_sheet(audit_folders([tmp_path]), tmp_path / "sheet.png")
    assert cv2.imread(str(tmp_path / "sheet.png")).shape[0] < 300


def test_twins_that_names_give_away(tmp_path: Path) -> None:
    """On photos of a real data set: 100 numbers, each bare and with a mask pasted on, and some augmented copies."""
    pytest.importorskip("sklearn")
    seed = shared("data", "train", "seed")
    bare = sorted(seed.glob(f"{BARE}/[0-9]*.jpg"), key=lambda p: int(p.stem))
    # The lowest numbers were given twice, to different photos.
    pairs = [(p, q) for p in bare if int(p.stem) >= 20 and (q := seed / MASKED / f"{p.stem}-with-mask.jpg").exists()]
    copies = sorted(seed.glob(f"{BARE}/augmented*.jpg"))[:40]
    files = [file for pair in pairs[:100] for file in pair] + copies
    records = [{"image": str(file), "set": "seed", "label": file.parent.name} for file in files]
    audit = audit_folders([lists(tmp_path, "crops.jsonl", *records)], test_share=0.2)
    numbers = [(stem(audit, a), stem(audit, b)) for a, b in audit.pairs("twin") if not {a, b} & augmented(audit)]
    assert sum(a == b for a, b in numbers) >= 98
    assert sum(a != b for a, b in numbers) <= 1
    assert audit.leaks is not None
    # Every picture has its twin, and in 4 of 5 cases it lies on the other side.
    assert audit.leaks.by_kind["twin"] / audit.leaks.test > 0.5


def stem(audit: Audit, item: int) -> str:
    return audit.items[item].path.stem.removesuffix("-with-mask")


def augmented(audit: Audit) -> set[int]:
    return {i for i, item in enumerate(audit.items) if item.path.stem.startswith("augmented")}
