"""The documentation: that it builds without a warning, and leads nowhere else than it says."""

from __future__ import annotations

import html
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import maskinfer
from maskinfer.cli import main
from tests.conftest import ROOT

pytest.importorskip("mkdocs", reason="needs the [docs] extra")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as ``make docs`` builds it: warnings and broken links are errors."""
    folder = tmp_path_factory.mktemp("docs") / "site"
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def commands_of(group: click.Group, name: str) -> Iterator[tuple[str, click.Command]]:
    for command in group.commands.values():
        full_name = f"{name} {command.name}"
        if isinstance(command, click.Group):
            yield from commands_of(command, full_name)
        if not isinstance(command, click.Group) or command.invoke_without_command:
            yield full_name, command


def test_every_command_and_option_is_in_the_reference(site: Path) -> None:
    page = html.unescape((site / "reference/commands/index.html").read_text("utf-8"))
    sections = dict(re.findall(r"<h[2-4] id=[^>]*>(maskinfer [a-z -]+)(.*?)(?=<h[2-4] |$)", page, flags=re.S))
    for name, command in commands_of(main, "maskinfer"):
        options = [item for item in command.params if isinstance(item, click.Option)]
        assert [option for item in options for option in item.opts if option not in sections[name]] == [], name
        assert f"{name} " in sections[name], "the usage"
        assert "Sentinel" not in sections[name], "Click's own marker of no default"


def test_every_public_name_is_in_the_api_reference(site: Path) -> None:
    page = (site / "reference/api/index.html").read_text(encoding="utf-8")
    names = [name for name in maskinfer.__all__ if not name.startswith("_")]
    assert [name for name in names if f'id="maskinfer.{name}"' not in page] == []


def test_pages_load_nothing_from_elsewhere(site: Path) -> None:
    """Scripts, styles, fonts and pictures come with the site, so that it can be read offline."""
    loads = re.compile(r'<(?:script|img|iframe)[^>]*\ssrc="(https?:[^"]*)"|<link[^>]*\srel="stylesheet"[^>]*https?:')
    pages = list(site.rglob("*.html"))
    assert len(pages) > 10
    found = [(page.name, found.group()) for page in pages for found in loads.finditer(page.read_text("utf-8"))]
    assert found == []
