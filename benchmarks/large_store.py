"""A store with very many visits, and how long the questions of a day take.

    python -m benchmarks.large_store FOLDER --visits 1000000
    python -m benchmarks.large_store FOLDER            # only asks, if the store is there already

Four cameras over a year with a morning and an evening peak, nine of ten people with a mask; a zone for each camera.
No pictures. Each question is asked five times; the medians are printed.
"""

from __future__ import annotations

import argparse
import random
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from time import perf_counter, process_time

from maskinfer.control.report.report import make_report
from maskinfer.control.store.database import NAME, open_for_writing, transaction
from maskinfer.control.store.questions import VisitQuery
from maskinfer.control.store.store import Store
from maskinfer.control.store.writing import put_camera_event, put_visit
from maskinfer.engine.results import INCORRECT_MASK, UNCERTAIN, WITH_MASK, WITHOUT_MASK
from maskinfer.engine.visits.visit import LabelSpan, Passage, Violation, Visit

END = datetime(2026, 11, 25, 20, 0, tzinfo=UTC)
DAYS = 365
LABELS = (WITH_MASK, WITHOUT_MASK, INCORRECT_MASK, UNCERTAIN)


def make_visit(number: int, rng: random.Random) -> Visit:
    camera = rng.choice(("door", "gate", "ward", "canteen"))
    hour = min(23.9, max(0.0, rng.gauss(rng.choice((8.5, 17.0)), 2)))
    midnight = END.replace(hour=0) - timedelta(days=rng.randrange(DAYS))
    first_at = midnight + timedelta(hours=hour, microseconds=rng.randrange(10**6))
    last_at = first_at + timedelta(seconds=rng.uniform(2, 40))
    (label,) = rng.choices(LABELS, (90, 5, 3, 2))
    zones = ("entrance",) if rng.random() < 0.7 else ()
    bare = "nose" if label == INCORRECT_MASK else None
    is_wrong = label in (WITHOUT_MASK, INCORRECT_MASK) and bool(zones)
    return Visit(
        id=f"3f2a91c0-{camera}-{number}",
        camera=camera,
        first_at=first_at,
        last_at=last_at,
        label=label,
        bare=bare,
        spans=(LabelSpan(UNCERTAIN, first_at, first_at, 0.0), LabelSpan(label, first_at, last_at, 0.97, bare)),
        zones=zones,
        passages=(Passage("sill", rng.choice(("in", "out")), last_at),) if rng.random() < 0.5 else (),
        violations=(Violation("entrance", label, first_at, last_at, bare),) if is_wrong else (),
        ended="left",
    )


def fill(folder: Path, visits: int) -> None:
    rng, database = random.Random(17), open_for_writing(folder, print)
    database.execute("PRAGMA synchronous = OFF")
    # Indexes that are made when all rows are there take a fraction of the time.
    indexes = database.execute(
        "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL"
    ).fetchall()
    for name, _ in indexes:
        database.execute(f"DROP INDEX {name}")
    for first in range(0, visits, 20_000):
        with transaction(database):
            for number in range(first, min(visits, first + 20_000)):
                put_visit(database, make_visit(number, rng))
    for _, sql in indexes:
        database.execute(sql)
    with transaction(database):
        for camera in ("door", "gate", "ward", "canteen"):
            for day in range(DAYS):
                at_us = int((END - timedelta(days=day)).timestamp() * 1e6)
                put_camera_event(database, camera, "connected", at_us, "")
                put_camera_event(database, camera, "off hours", at_us + 7_200_000_000, "from 06:00 to 22:00")
    database.close()


def medians_ms(ask: Callable[[], object]) -> tuple[float, float]:
    """Return how long a question takes on the clock and of the processor: they differ where others use it too."""
    wall, processor = [], []
    for _ in range(5):
        began = perf_counter(), process_time()
        ask()
        wall.append(perf_counter() - began[0])
        processor.append(process_time() - began[1])
    return 1000 * median(wall), 1000 * median(processor)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--visits", type=int, default=1_000_000)
    options = parser.parse_args()
    if not (options.folder / NAME).is_file():
        begin_s = perf_counter()
        fill(options.folder, options.visits)
        print(f"{options.visits} visits written in {perf_counter() - begin_s:.0f} s")
    size_mb = (options.folder / NAME).stat().st_size / 1e6
    begin_s = perf_counter()
    Store.open(options.folder).close()
    print(f"{size_mb:.0f} MB, SQLite {sqlite3.sqlite_version}; opened to write in {perf_counter() - begin_s:.2f} s")
    with Store.open(options.folder, readonly=True) as store:
        day = VisitQuery(from_at=END - timedelta(hours=20), to_at=END, time_zone=UTC)
        year = VisitQuery(from_at=END - timedelta(days=DAYS), to_at=END, time_zone=UTC)
        last = store.visits(VisitQuery(limit=10_000))[-1].cursor
        questions: dict[str, Callable[[], object]] = {
            "first page of all visits": lambda: store.visits(VisitQuery(limit=50)),
            "page after 10,000 visits": lambda: store.visits(VisitQuery(limit=50, before=last)),
            "first page of one camera's uncertain": lambda: store.visits(
                VisitQuery(camera="ward", label=UNCERTAIN, limit=50)
            ),
            "first page of a zone's violations": lambda: store.visits(
                VisitQuery(zone="entrance", only_violations=True, limit=50)
            ),
            "usage": store.usage,
            "report of a day": lambda: make_report(store, day),
            "report of a day, one camera": lambda: make_report(
                store, VisitQuery(from_at=day.from_at, to_at=day.to_at, camera="door", time_zone=UTC)
            ),
            "report of all": lambda: make_report(store, year),
            "report of all, one camera": lambda: make_report(
                store, VisitQuery(from_at=year.from_at, to_at=year.to_at, camera="door", time_zone=UTC)
            ),
            "report of all, one zone": lambda: make_report(
                store, VisitQuery(from_at=year.from_at, to_at=year.to_at, zone="entrance", time_zone=UTC)
            ),
        }
        for name, ask in questions.items():
            wall_ms, processor_ms = medians_ms(ask)
            print(f"{wall_ms:8.0f} ms ({processor_ms:6.0f} ms of the processor)  {name}", flush=True)


if __name__ == "__main__":
    main()
