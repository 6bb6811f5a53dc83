"""The command line, in processes of its own: what a user types and sees."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import jsonschema
import numpy as np
import pytest
from PIL import Image

from tests.conftest import ROOT
from tests.helpers.graphs import save_colour_classifier

SCHEMA = json.loads((ROOT / "maskinfer/schemas/frame_result.schema.json").read_text())
COMMANDS = (
    "image",
    "video",
    "stream",
    "train",
    "export",
    "adopt",
    "average",
    "quantize",
    "verify",
    "evaluate",
    "card",
    "models",
    "render",
    "data",
    "doctor",
    "train-detector",
    "benchmark",
    "tune",
    "calibrate",
    "compare",
    "collect",
    "label",
)


def maskinfer(
    *arguments: object, cwd: Path | None = None, most_s: float = 120, **environment: str
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-m", "maskinfer", *map(str, arguments)]
    return subprocess.run(
        command,
        cwd=cwd,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        env={**os.environ, **environment},
        timeout=most_s,
        check=False,
    )


def check_error(done: subprocess.CompletedProcess[str], code: int, *parts: str) -> None:
    """One line that begins with Error and says what it should."""
    assert done.returncode == code, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert len(lines) == 1, done.stderr
    assert all(part in lines[0] for part in parts), lines[0]
    assert "Traceback" not in done.stderr + done.stdout


def results(text: str) -> list[dict[str, object]]:
    records = [json.loads(line) for line in text.splitlines()]
    for record in records:
        jsonschema.validate(record, SCHEMA)
    return records


def test_version_and_help() -> None:
    assert maskinfer("--version").stdout.startswith("maskinfer, version ")
    overview = maskinfer("--help").stdout
    assert all(command in overview for command in COMMANDS)


@pytest.mark.parametrize("command", [c for c in COMMANDS if c != "doctor"])
def test_help_shows_examples(command: str) -> None:
    shown = maskinfer(command, "--help")
    assert shown.returncode == 0
    assert f"maskinfer {command} " in shown.stdout.split("Example")[1]


def test_image_to_jsonl_and_pictures(portrait_jpg: Path, colour_classifier: Path, tmp_path: Path) -> None:
    done = maskinfer("image", portrait_jpg, "--classifier", colour_classifier, "--jsonl", "-", "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    (record,) = results(done.stdout)
    (face,) = record["faces"]  # type: ignore[misc]
    assert record["source"] == str(portrait_jpg)
    assert face["label"] in ("with_mask", "without_mask", "incorrect_mask")
    assert len(face["landmarks"]) == 5
    annotated = cv2.imread(str(tmp_path / "out/portrait.jpg"))
    assert annotated is not None
    changed = np.abs(annotated.astype(int) - cv2.imread(str(portrait_jpg)).astype(int)).max(2) > 60
    left, top, _, bottom = (round(v) for v in face["bbox"])
    assert changed[top : bottom + 1, left].mean() > 0.5
    assert "1 image in" in done.stderr


def test_image_alone_says_what_it_found(portrait_jpg: Path, colour_classifier: Path) -> None:
    done = maskinfer("image", portrait_jpg, "--classifier", colour_classifier)
    assert done.stdout.startswith(f"{portrait_jpg}: ")
    assert done.returncode == 0


def test_one_broken_image_among_good_ones(portrait_jpg: Path, colour_classifier: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_text("no picture")
    out = tmp_path / "results.jsonl"
    done = maskinfer("image", tmp_path, "--classifier", colour_classifier, "--jsonl", out)
    check_error(done, 1, "broken.jpg is not an image")
    assert [Path(r["source"]).name for r in results(out.read_text())] == ["portrait.jpg"]  # type: ignore[arg-type]


def test_one_image_to_a_file(portrait_jpg: Path, colour_classifier: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    done = maskinfer("image", portrait_jpg, "-o", out, "--classifier", colour_classifier)
    assert done.returncode == 0, done.stderr
    assert cv2.imread(str(out)).shape == (512, 512, 3)
    done = maskinfer("image", portrait_jpg, "-o", tmp_path / "out.gif", "--classifier", colour_classifier)
    check_error(done, 2, "out.gif", ".png")


def test_what_is_read_but_not_written_becomes_jpg(
    portrait: np.ndarray, portrait_jpg: Path, colour_classifier: Path, tmp_path: Path
) -> None:
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    (photos / "a.jfif").write_bytes(portrait_jpg.read_bytes())
    Image.fromarray(np.ascontiguousarray(portrait[..., ::-1])).save(photos / "b.avif", speed=10)
    (photos / "c.jpg").write_bytes(portrait_jpg.read_bytes())
    (photos / "d.heif2").touch()
    done = maskinfer("image", photos, "-o", out, "--jsonl", tmp_path / "r.jsonl", "--classifier", colour_classifier)
    assert done.returncode == 0, done.stderr
    assert sorted(p.name for p in out.iterdir()) == ["a.jfif.jpg", "b.avif.jpg", "c.jpg"]
    assert len(results((tmp_path / "r.jsonl").read_text())) == 3
    assert "1 file left out: 1 .heif2" in done.stderr


def test_pages_and_animations(portrait: np.ndarray, colour_classifier: Path, tmp_path: Path) -> None:
    face = Image.fromarray(np.ascontiguousarray(portrait[..., ::-1]))
    blank = Image.new("RGB", (100, 80))
    blank.save(tmp_path / "scan.tif", save_all=True, append_images=[face])
    blank.save(tmp_path / "anim.gif", save_all=True, append_images=[face])
    files = (tmp_path / "scan.tif", tmp_path / "anim.gif")
    done = maskinfer("image", *files, "--jsonl", "-", "-o", tmp_path / "out", "--classifier", colour_classifier)
    check_error(done, 1, "anim.gif", "2 pictures")
    found = [(Path(str(r["source"])).name, r["frame"], len(r["faces"])) for r in results(done.stdout)]  # type: ignore[arg-type]
    assert found == [("scan.tif", 0, 0), ("scan.tif", 1, 1), ("anim.gif", 0, 0)]
    with Image.open(tmp_path / "out" / "scan.tif") as scan:
        assert scan.n_frames == 2


CONSOLES = [
    {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    {"PYTHONIOENCODING": "cp1252"},
]


@pytest.mark.skipif(sys.platform != "linux", reason="file names elsewhere are always Unicode")
@pytest.mark.parametrize("console", CONSOLES, ids=["LANG=C", "cp1252"])
def test_names_in_any_encoding_on_any_console(
    portrait_jpg: Path, colour_classifier: Path, tmp_path: Path, console: dict[str, str]
) -> None:
    names = [os.fsdecode(name) for name in (b"caf\xe9.jpg", "größe 口.jpg".encode(), b"cut\xff.jpg")]
    for name in names:
        (tmp_path / "in" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "in" / name).write_bytes(portrait_jpg.read_bytes() if b"cut" not in os.fsencode(name) else b"")
    options = ("--classifier", colour_classifier, "--csv", tmp_path / "t.csv", "-o", tmp_path / "out")
    done = maskinfer("image", tmp_path / "in", "--jsonl", "-", *options, **console)
    check_error(done, 1, "cut\\xff.jpg is not an image")
    assert {Path(str(r["source"])).name for r in results(done.stdout)} == {"caf\\xe9.jpg", "größe 口.jpg"}
    assert sorted(os.fsencode(p.name) for p in (tmp_path / "out").iterdir()) == [b"caf\xe9.jpg", names[1].encode()]
    assert "größe 口.jpg" in (tmp_path / "t.csv").read_text(encoding="utf-8")
    done = maskinfer("image", *(tmp_path / "in" / name for name in names[:2]), *options[:2], **console)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(": ") == 2


def test_a_folder_without_images(tmp_path: Path) -> None:
    check_error(maskinfer("image", tmp_path), 2, str(tmp_path), "holds no image")


def test_a_missing_file(tmp_path: Path) -> None:
    check_error(maskinfer("image", tmp_path / "absent.jpg"), 2, "absent.jpg does not exist")
    check_error(maskinfer("video", tmp_path / "absent.mp4", "-o", tmp_path / "x.mp4"), 2, "absent.mp4")
    assert not list(tmp_path.iterdir())


def test_image_never_overwrites_its_input(portrait_jpg: Path, colour_classifier: Path) -> None:
    before = portrait_jpg.read_bytes()
    done = maskinfer("image", portrait_jpg, "-o", portrait_jpg.parent, "--classifier", colour_classifier)
    check_error(done, 2, "would be overwritten")
    assert portrait_jpg.read_bytes() == before


def test_two_images_that_would_be_one_output(portrait_jpg: Path, colour_classifier: Path, tmp_path: Path) -> None:
    other = tmp_path / "sub" / portrait_jpg.name
    other.parent.mkdir()
    other.write_bytes(portrait_jpg.read_bytes())
    done = maskinfer("image", portrait_jpg, other, "-o", tmp_path / "out", "--classifier", colour_classifier)
    check_error(done, 2, "would both be written")


@pytest.mark.parametrize("target", ["absent/x.jsonl", "file/x.jsonl"])
def test_an_unwritable_output(portrait_jpg: Path, colour_classifier: Path, tmp_path: Path, target: str) -> None:
    (tmp_path / "file").write_text("not a folder")
    done = maskinfer("image", portrait_jpg, "--classifier", colour_classifier, "--jsonl", tmp_path / target)
    check_error(done, 2, "x.jsonl")


def test_an_unknown_provider(portrait_jpg: Path) -> None:
    check_error(maskinfer("image", portrait_jpg, "--provider", "gpu"), 2, "unknown provider 'gpu'", "cpu")


def test_an_absent_provider_is_no_silent_cpu(portrait_jpg: Path) -> None:
    import onnxruntime

    if "TensorrtExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime has TensorRT")
    check_error(maskinfer("image", portrait_jpg, "--provider", "tensorrt"), 2, "provider tensorrt is not in")


def test_an_onnx_file_that_is_no_classifier(portrait_jpg: Path, tmp_path: Path) -> None:
    (tmp_path / "x.onnx").write_text("text")
    check_error(maskinfer("image", portrait_jpg, "--classifier", tmp_path / "x.onnx"), 2, "x.onnx cannot be loaded")
    bare = save_colour_classifier(tmp_path / "bare.onnx", None)
    check_error(maskinfer("image", portrait_jpg, "--classifier", bare), 2, "bare.onnx carries no contract")
    detector = ROOT / "maskinfer/models/retinaface-mnet025.onnx"
    check_error(maskinfer("image", portrait_jpg, "--classifier", detector), 2, "is a face detector")


@pytest.mark.parametrize("size", ["big", "640x", "1x2x3"])
def test_a_wrong_size(portrait_jpg: Path, size: str) -> None:
    done = maskinfer("image", portrait_jpg, "--det-size", size)
    assert done.returncode == 2
    assert f"'{size}' is not a size" in done.stderr


def test_doctor_says_each_thing_on_a_line() -> None:
    done = maskinfer("doctor")
    assert done.returncode == 0, done.stdout
    lines = done.stdout.splitlines()
    assert all(line.split()[0] in ("ok", "note") for line in lines)
    for what in ("onnxruntime", "provider cpu: active", "threads", "opencv", "libx264", "model retinaface"):
        assert what in done.stdout


def test_doctor_finds_two_onnxruntimes(tmp_path: Path) -> None:
    folder = tmp_path / "onnxruntime_gpu-1.20.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: onnxruntime-gpu\nVersion: 1.20.0\n")
    done = maskinfer("doctor", PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("broken  onnxruntime:")]
    assert "onnxruntime-gpu 1.20.0" in line


def test_without_torch_the_extra_is_named(tmp_path: Path) -> None:
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch/__init__.py").write_text("raise ModuleNotFoundError('no torch here', name='torch')")
    done = maskinfer("train", "--data", tmp_path, "--out", tmp_path / "run", PYTHONPATH=str(tmp_path))
    check_error(done, 2, "pip install 'maskinfer[train]'")


def test_without_onnxruntime_the_extra_is_named(portrait_jpg: Path, tmp_path: Path) -> None:
    (tmp_path / "shadow/onnxruntime").mkdir(parents=True)
    shadow = tmp_path / "shadow/onnxruntime/__init__.py"
    shadow.write_text("raise ModuleNotFoundError('none here', name='onnxruntime')")
    done = maskinfer("image", portrait_jpg, PYTHONPATH=str(tmp_path / "shadow"))
    check_error(done, 2, "onnxruntime is not installed", "pip install 'maskinfer[cpu]'")


def test_evaluate(portrait_jpg: Path, colour_classifier: Path, tmp_path: Path) -> None:
    truth = {"image": "portrait.jpg", "set": "one", "faces": [{"bbox": [177, 60, 272, 180], "label": "with_mask"}]}
    (tmp_path / "scenes.jsonl").write_text(json.dumps(truth))
    report = tmp_path / "report.json"
    done = maskinfer("evaluate", colour_classifier, "--data", tmp_path, "--json", report)
    assert done.returncode == 0, done.stderr
    figures = json.loads(report.read_text())
    assert figures["all"]["classes"]["with_mask"]["recall"] == 1
    assert "one" in figures
    setup = figures["all"]["setup"]
    assert setup["classifier"] == "colour (version 1)"
    assert setup["detector"].startswith("retinaface-mask")
    assert "recall" in done.stdout


def test_evaluate_takes_one_model_for_a_task(tmp_path: Path) -> None:
    for arguments, said in (
        (("retinaface", "--detector", "retinaface"), "retinaface is a detector: leave out --detector, or MODEL"),
        (("nothing",), "no model 'nothing': choose"),
    ):
        check_error(maskinfer("evaluate", *arguments, "--data", tmp_path), 2, said)


@pytest.mark.parametrize("options", [["-o", "x" * 300 + ".mp4"], ["-o", "out.mp4", "--classifier", "x" * 300]])
def test_a_name_that_is_too_long_for_a_file(options: list[str], tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    check_error(maskinfer("video", tmp_path / "a.mp4", *options), 2, "too long")


def test_image_says_what_reads_videos(colour_classifier: Path, tmp_path: Path) -> None:
    (tmp_path / "entrance.mp4").write_bytes(b"x")
    done = maskinfer("image", tmp_path / "entrance.mp4", "--classifier", colour_classifier)
    check_error(done, 1, "entrance.mp4", "for videos use `maskinfer video`")


def test_what_a_preset_does_not_decide_is_told(portrait_jpg: Path) -> None:
    done = maskinfer("image", portrait_jpg, "--preset", "fast", "--classifier", "mobilenetv2-128")
    assert done.returncode == 0, done.stderr
    told = [line for line in done.stderr.splitlines() if line.startswith("preset fast: ")]
    assert told == [
        "preset fast: the classifier is mobilenetv2-128, not mobilenetv2-small-112, as you said",
    ]
    once = maskinfer("image", portrait_jpg, "--preset", "accurate", "--detector", "retinaface-mask")
    assert once.stderr.splitlines()[0] == (
        "preset accurate: the detector is retinaface-mask looking once, not retinaface-mask looking several times, "
        "as you said"
    )
    quiet = maskinfer("image", portrait_jpg, "--preset", "fast")
    assert "preset" not in quiet.stderr
    assert quiet.stdout.startswith(f"{portrait_jpg}: ")
