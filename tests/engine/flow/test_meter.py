"""How far a job over many files is."""

from __future__ import annotations

import time

from maskinfer.engine.flow.meter import Meter


class Shown:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def show(self, line: str) -> None:
        self.lines.append(line)


def test_hours_faces_and_time_left() -> None:
    meter = Meter(4000, 4, _began_s=time.monotonic() - 600)
    assert meter.line() == "0 s of film, 0 faces/s"
    meter.finish(0, 1000, 3600.0, 12_000)
    assert meter.line() == "60 min of about 4.0 h of film, 20 faces/s, 30 min left"
    meter.reach(1, 1000, 1800.0, 6000)
    assert meter.line("2 workers") == "1.5 h of about 4.0 h of film, 30 faces/s, 17 min left, 2 workers"
    meter.finish(1, 1000, 3600.0, 12_000)
    assert meter.line() == "2.0 h of about 4.0 h of film, 40 faces/s, 10 min left"


def test_files_are_counted_by_whoever_does_them() -> None:
    meter, shown = Meter(200, 2, _began_s=time.monotonic() - 7200), Shown()
    with meter.file(100) as watch:
        for i in range(3):
            watch(i * 1800.0, 7200)
    meter.tell(shown, "1 worker")  # type: ignore[arg-type]
    meter.tell(shown)  # type: ignore[arg-type]
    assert shown.lines == ["60 min of about 2.0 h of film, 3 faces/s, 2.0 h left, 1 worker"]
