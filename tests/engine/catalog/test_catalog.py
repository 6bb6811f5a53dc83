"""Models that have names: listed, shown, fetched from a real HTTP server, checked."""

from __future__ import annotations

import hashlib
import json
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from maskinfer.cli import main
from maskinfer.engine.catalog.find import find_model, task_of
from maskinfer.engine.catalog.registry import REGISTRY_VARIABLE, registered
from maskinfer.engine.catalog.shipped import SHIPPED
from maskinfer.engine.catalog.store import entries, pull
from maskinfer.engine.contract import to_json
from maskinfer.engine.errors import DownloadError, ModelError, ModelNotFoundError, OutputError, RequestError
from maskinfer.engine.faces.classifier import load_classifier
from maskinfer.engine.files import download
from maskinfer.engine.files.cache import cache_folder
from maskinfer.engine.files.download import fetch
from tests.conftest import CONTRACT, ROOT
from tests.helpers.graphs import save_colour_classifier, save_scrfd
from tests.helpers.progress import Watcher

CONTENT = bytes(range(256)) * 3000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Server:
    """A real HTTP server that knows ranges, and how to break off."""

    address: str
    files: dict[str, bytes]
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    cut_after: int | None = None
    length: str | None = None
    ranges: bool = True


@pytest.fixture
def server() -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            state.asked.append((self.path, wanted))
            if self.path not in state.files:
                self.send_error(404)
                return
            content = state.files[self.path]
            start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and state.ranges else 0
            if start >= len(content):
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            if state.length != "unsaid":
                self.send_header("Content-Length", state.length or str(len(content) - start))
            self.end_headers()
            with suppress(OSError):  # who asked has enough
                self.wfile.write(content[start : None if state.cut_after is None else start + state.cut_after])

        def log_message(self, *arguments: Any) -> None: ...

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state = Server(f"http://127.0.0.1:{httpd.server_port}", {"/a.onnx": CONTENT})
    thread = threading.Thread(target=httpd.serve_forever)
    thread.start()
    yield state
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def test_a_file_is_fetched_whole(server: Server, tmp_path: Path) -> None:
    watcher = Watcher()
    out = fetch([server.address + "/a.onnx"], tmp_path / "new" / "a.onnx", SHA256, progress=watcher)
    assert out.read_bytes() == CONTENT
    assert (watcher.totals, watcher.counts) == ([len(CONTENT)], [len(CONTENT)])
    assert [path.name for path in out.parent.iterdir()] == ["a.onnx"]


@pytest.mark.parametrize("ranges", [True, False])
def test_a_cut_fetch_is_gone_on_with(server: Server, tmp_path: Path, ranges: bool) -> None:
    server.cut_after, server.ranges = 100_000, ranges
    with pytest.raises(DownloadError, match=r"a\.onnx could not be fetched: .*it ended after 100000 of 768000 bytes"):
        fetch([server.address + "/a.onnx"], tmp_path / "a.onnx", SHA256)
    assert not (tmp_path / "a.onnx").exists()
    server.cut_after = None
    assert fetch([server.address + "/a.onnx"], tmp_path / "a.onnx", SHA256).read_bytes() == CONTENT
    assert server.asked[-1] == ("/a.onnx", "bytes=100000-")


def test_the_next_mirror_goes_on(server: Server, tmp_path: Path) -> None:
    urls = [server.address + "/gone.onnx", "http://127.0.0.1:9/a.onnx", server.address + "/a.onnx"]
    assert fetch(urls, tmp_path / "a.onnx", SHA256).read_bytes() == CONTENT
    assert [path for path, _ in server.asked] == ["/gone.onnx", "/a.onnx"]


def test_other_bytes_are_refused_and_not_kept(server: Server, tmp_path: Path) -> None:
    server.files["/a.onnx"] = CONTENT[::-1]
    with pytest.raises(DownloadError, match="SHA-256"):
        fetch([server.address + "/a.onnx"], tmp_path / "a.onnx", SHA256)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("length", "said"),
    [
        ("abc", "a Content-Length of 'abc', expected a number"),
        ("-5", "a Content-Length of '-5', expected a number"),
        (str(1 << 40), "1,099,511,627,776 bytes, expected at most 2,147,483,648"),
    ],
)
def test_a_length_that_cannot_be_is_told(server: Server, tmp_path: Path, length: str, said: str) -> None:
    server.length = length
    with pytest.raises(DownloadError, match=said):
        fetch([server.address + "/a.onnx"], tmp_path / "a.onnx", SHA256)
    assert list(tmp_path.iterdir()) == []


def test_a_download_that_does_not_end_is_cut(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "MOST_BYTES", 100_000)
    server.length = "unsaid"
    with pytest.raises(DownloadError, match="it gives more than 100,000 bytes"):
        fetch([server.address + "/a.onnx"], tmp_path / "a.onnx", SHA256)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("left", [b"x" * 500, CONTENT + b"more", b"x" * len(CONTENT)])
def test_what_was_left_and_is_wrong_is_fetched_anew(server: Server, tmp_path: Path, left: bytes) -> None:
    (tmp_path / f".a.onnx.{SHA256[:12]}.part").write_bytes(left)
    assert fetch([server.address + "/a.onnx"], tmp_path / "a.onnx", SHA256).read_bytes() == CONTENT


def test_a_message_holds_no_password(tmp_path: Path) -> None:
    with pytest.raises(DownloadError) as caught:
        fetch(["http://me:hunter2@127.0.0.1:9/a.onnx"], tmp_path / "a.onnx", SHA256)
    assert "hunter2" not in str(caught.value)
    with pytest.raises(RequestError, match="expected http or https"):
        fetch(["file:///etc/passwd"], tmp_path / "a.onnx", SHA256)


def test_a_folder_that_cannot_be_made(server: Server, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        fetch([server.address + "/a.onnx"], tmp_path / "taken" / "a.onnx", SHA256)


@pytest.fixture
def registry(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A registry of one classifier, its file on the server, an empty cache."""
    content = save_colour_classifier(tmp_path / "colour.onnx", CONTRACT).read_bytes()
    server.files["/colour.onnx"] = content
    said = {
        "task": "classifier",
        "file": "colour.onnx",
        "sha256": hashlib.sha256(content).hexdigest(),
        "urls": [server.address + "/colour.onnx"],
        "licence": "MIT",
    }
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv(REGISTRY_VARIABLE, str(tmp_path / "models.json"))
    (tmp_path / "models.json").write_text(json.dumps({"models": {"colour": said}}))
    return said


def run(*arguments: str, answer: str | None = None) -> tuple[int, str]:
    done = CliRunner().invoke(main, list(arguments), input=answer)
    return done.exit_code, done.output


def test_a_registered_model_is_fetched_and_used_by_its_name(registry: dict[str, Any], server: Server) -> None:
    with pytest.raises(ModelNotFoundError, match="not on this machine: run maskinfer models pull colour"):
        load_classifier("colour")
    assert run("models", "verify", "colour")[0] == 1
    code, output = run("models", "pull", "colour", "--offline")
    assert (code, server.asked) == (2, [])
    assert "nothing is fetched offline" in output
    code, output = run("models", "pull", "colour")
    assert (code, output.strip()) == (0, str(cache_folder() / "colour.onnx"))
    assert load_classifier("colour").contract == CONTRACT
    assert task_of("colour") == "classifier"
    assert run("models", "pull", "colour", "--offline")[0] == 0
    assert run("models", "verify", "colour") == (0, f"ok       colour  {cache_folder() / 'colour.onnx'}\n")
    (cache_folder() / "colour.onnx").write_bytes(b"other")
    code, output = run("models", "verify")
    assert code == 1
    assert "WRONG    colour" in output
    with pytest.raises(ModelError, match=r"is not the file that colour names \(SHA-256\)"):
        load_classifier("colour")
    with pytest.raises(ModelError, match="remove it and pull it again"):
        pull("colour")


def test_a_research_only_model_needs_an_answer(registry: dict[str, Any], tmp_path: Path) -> None:
    said = {**registry, "research_only": True, "licence": "for the lab alone"}
    (tmp_path / "models.json").write_text(json.dumps({"models": {"colour": said}}))
    code, output = run("models", "pull", "colour", answer="n\n")
    assert code == 2
    assert "for the lab alone" in output
    assert not (cache_folder() / "colour.onnx").exists()
    assert run("models", "pull", "colour", "--accept-licence")[0] == 0
    assert (cache_folder() / "colour.onnx").exists()


def test_a_pack_is_not_fetched_by_running_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ModelNotFoundError, match="maskinfer models pull insightface:buffalo_s"):
        find_model("insightface:buffalo_s", "detector")
    monkeypatch.setitem(sys.modules, "insightface.utils.storage", None)
    code, output = run("models", "pull", "insightface:buffalo_s", "--accept-licence")
    assert code == 2
    assert "non-commercial research only" in output
    assert "maskinfer[insightface]" in output
    folder = tmp_path / ".insightface/models/buffalo_s"
    folder.mkdir(parents=True)
    save_scrfd(folder / "det_500m.onnx", landmarks=True, levels=3)
    assert run("models", "pull", "insightface:buffalo_s") == (0, f"{folder / 'det_500m.onnx'}\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is no registry of models"),
        ('{"others": {}}', "unknown field 'others': it may have models"),
        ('{"models": {"a": {"task": "x"}}}', "models.a.task is 'x', expected one of"),
        ('{"models": {"a": {"task": "classifier", "surprise": 1}}}', "unknown field 'surprise' in models.a"),
    ],
)
def test_a_broken_registry_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str) -> None:
    (tmp_path / "models.json").write_text(text)
    monkeypatch.setenv(REGISTRY_VARIABLE, str(tmp_path / "models.json"))
    with pytest.raises(RequestError, match=message):
        registered()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("file", "../a.onnx"),
        ("file", ".."),
        ("file", "a\0"),
        ("sha256", "abc"),
        ("task", "tracker"),
        ("about", "\x1b[2J"),
        ("urls", []),
    ],
)
def test_values_of_a_registry_are_checked(registry: dict[str, Any], tmp_path: Path, key: str, value: object) -> None:
    (tmp_path / "models.json").write_text(json.dumps({"models": {"colour": {**registry, key: value}}}))
    with pytest.raises(RequestError, match=f"models.colour.{key} is {re.escape(repr(value))}, expected"):
        registered()


def test_the_list_names_all(registry: dict[str, Any]) -> None:
    code, output = run("models", "list")
    assert code == 0
    assert {entry.name for entry in entries()} == {*SHIPPED, "colour", *(f"insightface:{p}" for p in PACKS)}
    assert all(entry.name in output for entry in entries())


PACKS = ("buffalo_l", "buffalo_m", "buffalo_s", "buffalo_sc", "antelopev2")


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_a_shipped_models_card_is_shown(name: str) -> None:
    code, output = run("models", "show", name)
    assert code == 0
    assert output.startswith("# ")
    assert "## Contract" in output


def test_a_files_card_is_shown(colour_classifier: Path) -> None:
    code, output = run("models", "show", str(colour_classifier))
    assert code == 0
    assert "`with_mask`, `without_mask`, `incorrect_mask`" in output


def test_unknown_names_are_refused() -> None:
    for command in ("pull", "verify", "show"):
        code, output = run("models", command, "nobody")
        assert code == 2
        assert output.startswith("Error: no model 'nobody': choose ")
        assert len(output.splitlines()) == 1


SCHEMAS = ROOT / "maskinfer" / "schemas"


def schema(name: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((SCHEMAS / f"{name}.schema.json").read_text())
    return read


def test_the_registrys_schema_fits(registry: dict[str, Any]) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator.check_schema(schema("registry"))
    jsonschema.validate({"models": {"colour": registry}}, schema("registry"))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"models": {"colour": {**registry, "file": "a/b"}}}, schema("registry"))


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_shipped_contracts_fit_the_schema(name: str) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    from maskinfer.engine.contract import METADATA_KEY
    from maskinfer.engine.runtime.session import create_session

    metadata = create_session(find_model(name, "model"), provider="cpu", threads=1).get_modelmeta().custom_metadata_map
    validator = jsonschema.Draft202012Validator(schema("contract"))
    assert [error.message for error in validator.iter_errors(json.loads(metadata[METADATA_KEY]))] == []


def test_the_contracts_schema_takes_contracts_alone() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator.check_schema(schema("contract"))
    jsonschema.validate(json.loads(to_json(CONTRACT)), schema("contract"))
    broken = {**json.loads(to_json(CONTRACT)), "labels": ["a"]}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(broken, schema("contract"))
