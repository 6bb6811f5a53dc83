"""Names that stand for models, and stood for others before."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from maskinfer.engine.catalog.find import find_model, task_of
from maskinfer.engine.catalog.lineage import read_comparison, read_lineage
from maskinfer.engine.catalog.promoted import promote, promoted, rollback
from maskinfer.engine.catalog.store import entries, pull
from maskinfer.engine.errors import ModelError, ModelNotFoundError, RequestError
from maskinfer.engine.files.checks import sha256_of
from tests.commands.test_run import check_error, maskinfer
from tests.conftest import CONTRACT
from tests.helpers.graphs import save_colour_classifier


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MASKINFER_PROMOTED", str(tmp_path / "promoted"))
    return tmp_path / "promoted"


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Three models that differ in their contracts."""
    from dataclasses import replace

    versions = (replace(CONTRACT, version=str(number)) for number in range(3))
    return [save_colour_classifier(tmp_path / f"{one.version}.onnx", one) for one in versions]


def test_a_name_stands_for_what_was_promoted_last(files: list[Path], folder: Path) -> None:
    for file in files[:2]:
        promote(file, "site", "classifier")
        assert find_model("site", "classifier").read_bytes() == file.read_bytes()
    files[1].unlink()
    assert find_model("site", "classifier").parent == folder
    assert task_of("site") == "classifier"
    with pytest.raises(ModelNotFoundError):
        find_model("site", "detector")


def test_a_rollback_goes_one_back_and_a_promotion_forgets_what_was_rolled_back(files: list[Path]) -> None:
    for file in files[:2]:
        promote(file, "site", "classifier")
    assert rollback("site").sha256 == sha256_of(files[0])
    assert find_model("site", "classifier").read_bytes() == files[0].read_bytes()
    with pytest.raises(RequestError, match="nothing to go back to"):
        rollback("site")
    promote(files[2], "site", "classifier")
    assert [one.sha256 for one in promoted()["site"].history] == [sha256_of(files[0]), sha256_of(files[2])]
    with pytest.raises(ModelNotFoundError, match="no promoted model 'door': site"):
        rollback("door")


def test_a_file_that_was_tampered_with_is_refused(files: list[Path], folder: Path) -> None:
    for file in files[:2]:
        promote(file, "site", "classifier")
    first, second = (folder / one.file for one in promoted()["site"].history)
    first.write_bytes(b"x")
    with pytest.raises(ModelError, match="is not the model that site stood for"):
        rollback("site")
    second.write_bytes(b"y")
    with pytest.raises(ModelError, match="SHA-256"):
        find_model("site", "classifier")
    second.unlink()
    with pytest.raises(ModelNotFoundError, match="promote it again"):
        pull("site")


@pytest.mark.parametrize("name", ["../x", "", "a b", "mobilenetv2-128", "auto", "x" * 41])
def test_names_that_cannot_be_given(files: list[Path], name: str, folder: Path) -> None:
    with pytest.raises(RequestError, match="name"):
        promote(files[0], name, "classifier")
    assert not folder.exists()


def test_a_name_keeps_its_task(files: list[Path]) -> None:
    promote(files[0], "site", "classifier")
    with pytest.raises(RequestError, match="site stands for a classifier"):
        promote(files[0], "site", "detector")


@pytest.mark.parametrize("text", ["{", '{"models": {"a": {"history": [], "current": 0}}}', '{"models": {"a": 1}}'])
def test_a_broken_list_is_an_error(folder: Path, text: str) -> None:
    folder.mkdir()
    (folder / "promoted.json").write_text(text)
    with pytest.raises(RequestError, match="is no list of promoted models"):
        promoted()


def test_what_it_came_from_goes_with_it(files: list[Path], tmp_path: Path) -> None:
    lineage = {"sha256": sha256_of(files[0]), "parent": "mobilenetv2-128", "faces": 500}
    (tmp_path / "lineage.json").write_text(json.dumps(lineage))
    promote(files[0], "site", "classifier", lineage=read_lineage(files[0]))
    (entry,) = [entry for entry in entries() if entry.name == "site"]
    assert entry.origin == "promoted"
    assert "tuned from mobilenetv2-128" in entry.about
    with pytest.raises(RequestError, match="is of another model"):
        read_lineage(files[1])


def test_a_model_that_did_not_pass_is_not_promoted(files: list[Path], tmp_path: Path) -> None:
    said = {"sha256": sha256_of(files[0]), "passes": False, "worse": ["dev: -3.0 points"], "sentence": "it is worse"}
    (tmp_path / "c.json").write_text(json.dumps({"old": {}, "new": [said]}))
    with pytest.raises(RequestError, match=r"did not pass \(dev: -3\.0 points\)"):
        read_comparison(tmp_path / "c.json", files[0], anyway=False)
    assert read_comparison(tmp_path / "c.json", files[0], anyway=True)["sentence"] == "it is worse"
    with pytest.raises(RequestError, match="holds no comparison of"):
        read_comparison(tmp_path / "c.json", files[1], anyway=True)


def test_promoting_and_going_back_on_the_command_line(files: list[Path], tmp_path: Path) -> None:
    said = {"sha256": sha256_of(files[1]), "passes": True, "worse": [], "sentence": "it is better by 3.1 points"}
    (tmp_path / "c.json").write_text(json.dumps({"old": {}, "new": [said]}))
    assert maskinfer("models", "promote", files[0], "--as", "site").returncode == 0
    done = maskinfer("models", "promote", files[1], "--as", "site", "--comparison", tmp_path / "c.json")
    assert done.returncode == 0, done.stderr
    done = maskinfer("models", "history", "site")
    assert "it is better by 3.1 points" in done.stdout
    assert "not compared" in done.stdout
    assert "site" in maskinfer("models", "list").stdout
    assert "again" in maskinfer("models", "rollback", "site").stdout
    check_error(maskinfer("models", "rollback", "site"), 2, "nothing to go back to")
    check_error(maskinfer("models", "promote", files[0], "--as", "site", "--anyway"), 2, "would do nothing")
    check_error(maskinfer("models", "promote", tmp_path / "no.onnx", "--as", "site"), 2, "no.onnx")
    assert maskinfer("models", "promote", "mobilenetv2-128", "--as", "shipped").returncode == 0
