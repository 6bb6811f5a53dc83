"""A plugin of pytest that runs no test again which passed before, in another environment.

``-p tests.helpers.passed --passed-file=FILE`` leaves out the tests that the file names, and adds those that pass.
"""

from __future__ import annotations

from pathlib import Path

import pytest

_EARLIER = pytest.StashKey[set[str]]()
_NOW = pytest.StashKey[set[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--passed-file", type=Path, required=True, help="names of tests that passed, one a line")


def pytest_configure(config: pytest.Config) -> None:
    file: Path = config.getoption("--passed-file")
    config.stash[_EARLIER] = set(file.read_text(encoding="utf-8").splitlines()) if file.is_file() else set()
    config.stash[_NOW] = set()
    config.pluginmanager.register(_Recorder(config), "passed-recorder")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    again = [item for item in items if not _names(item) & config.stash[_EARLIER]]
    config.hook.pytest_deselected(items=[item for item in items if item not in again])
    items[:] = again


def pytest_sessionfinish(session: pytest.Session) -> None:
    config = session.config
    if not hasattr(config, "workerinput"):  # one of several processes of pytest-xdist, whose results the first has too
        names = sorted(config.stash[_EARLIER] | config.stash[_NOW])
        config.getoption("--passed-file").write_text("".join(f"{name}\n" for name in names), encoding="utf-8")


class _Recorder:
    def __init__(self, config: pytest.Config) -> None:
        self._passed = config.stash[_NOW]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and report.passed:
            self._passed.add(report.nodeid)
        elif report.failed:  # while it was cleaned up
            self._passed.discard(report.nodeid)


def _names(item: pytest.Item) -> set[str]:
    """Return the names that a test may bear: pytest-xdist appends the group to those of a group."""
    groups = [str(mark.args[0] if mark.args else mark.kwargs["name"]) for mark in item.iter_markers("xdist_group")]
    return {item.nodeid, f"{item.nodeid}@{'_'.join(groups)}"}
