"""What an installed maskinfer brings, and what it does not."""

from __future__ import annotations

import ast
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import maskinfer
from maskinfer.engine import errors
from maskinfer.engine.catalog.shipped import MODELS_DIR, SHIPPED
from maskinfer.engine.errors import MaskinferError
from maskinfer.engine.files.checks import sha256_of
from tests.conftest import ROOT

HEAVY = (
    *("numpy", "msgspec", "rich", "jinja2", "torch", "onnx", "onnxruntime", "cv2", "av", "sklearn", "matplotlib"),
    *("pyarrow", "duckdb", "ray", "starlette"),
)


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_importing_maskinfer_imports_nothing_heavy() -> None:
    code = f"import sys, maskinfer, maskinfer.cli; print([m for m in {HEAVY} if m in sys.modules])"
    assert run_python(code) == "[]"


def test_no_torch_or_onnx_is_reachable_from_the_engine() -> None:
    """Every module of the engine, imported where torch and onnx cannot be."""
    files = (file.relative_to(ROOT).with_suffix("") for file in (ROOT / "maskinfer/engine").rglob("*.py"))
    modules = sorted(".".join(file.parts) for file in files if file.name != "__init__")
    code = (
        "import sys, importlib\n"
        "for name in ('torch', 'torchvision', 'onnx', 'sklearn', 'matplotlib'): sys.modules[name] = None\n"
        f"for name in {modules}: importlib.import_module(name)\n"
        "import maskinfer; maskinfer.load(); print('loaded')"
    )
    assert run_python(code) == "loaded"


@pytest.mark.parametrize("file", sorted((ROOT / "maskinfer").rglob("*.py")), ids=lambda f: str(f.relative_to(ROOT)))
def test_no_module_begins_with_what_windows_lacks(file: Path) -> None:
    unix_only = {"resource", "fcntl", "termios", "pwd", "grp", "syslog", "pty", "tty", "posix"}
    found = set()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        found |= {alias.name for alias in node.names} if isinstance(node, ast.Import) else set()
        found |= {node.module} if isinstance(node, ast.ImportFrom) else set()
    assert not found & unix_only


def test_nothing_but_the_public_names_is_promised() -> None:
    assert dir(maskinfer) == sorted(maskinfer.__all__)
    assert run_python("import maskinfer; print(dir(maskinfer) == sorted(maskinfer.__all__))") == "True"
    assert set(maskinfer._HOMES) | {"__version__"} == set(maskinfer.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = maskinfer.nothing


@pytest.mark.parametrize("name", [name for name in maskinfer.__all__ if name != "__version__"])
def test_a_public_name_is_there_and_documented(name: str) -> None:
    public = getattr(maskinfer, name)
    assert public.__name__ == name
    assert public.__module__ == f"maskinfer.{maskinfer._HOMES[name]}"
    assert public.__doc__


def test_the_whole_error_tree_is_public() -> None:
    tree, todo = set(), [MaskinferError]
    while todo:
        error = todo.pop()
        tree.add(error.__name__)
        todo += [kind for kind in error.__subclasses__() if kind.__module__.startswith("maskinfer.")]
    assert tree == set(errors.__all__)
    assert tree <= set(maskinfer.__all__)


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_shipped_models_are_the_registered_ones(name: str) -> None:
    assert sha256_of(MODELS_DIR / SHIPPED[name].file) == SHIPPED[name].sha256


def test_the_wheel_holds_models_schema_and_types(tmp_path: Path) -> None:
    pytest.importorskip("hatchling")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    wanted = {f"maskinfer/models/{model.file}" for model in SHIPPED.values()}
    wanted |= {f"maskinfer/models/{model.card}" for model in SHIPPED.values()}
    wanted |= {str(file.relative_to(ROOT)) for file in (ROOT / "maskinfer/schemas").iterdir()}
    report = ROOT / "maskinfer/training/evaluation/report/templates"
    wanted |= {str(file.relative_to(ROOT)) for file in report.iterdir()}
    assert len(list(report.iterdir())) > 3
    assert wanted | {"maskinfer/py.typed"} <= names
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/"))]
    assert wheel.stat().st_size < 20e6
