from __future__ import annotations

from maskinfer.engine.flow.progress import SILENT, counted
from tests.helpers.progress import Watcher


def test_items_count_as_done_when_the_next_is_asked_for() -> None:
    watcher = Watcher()
    for number, item in enumerate(counted("abc", 3, watcher)):
        assert (item, watcher.counts) == ("abc"[number], [number])
    assert (watcher.totals, watcher.counts) == ([3], [3])


def test_nobody_has_to_watch() -> None:
    assert list(counted(iter([1, 2]), 2, SILENT)) == [1, 2]
    SILENT.describe("reading")
    SILENT.say("done")
