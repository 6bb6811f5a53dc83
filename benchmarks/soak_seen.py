"""What a soak of a control room noted, and what of it is wrong."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.request
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import quote

import click

from maskinfer.control.store.questions import StoredVisit, VisitQuery
from maskinfer.control.store.store import Store
from tests.helpers.broker import Broker, Listener
from tests.helpers.receiver import Receiver
from tests.helpers.rtsp import RtspServer

SAMPLE_S = 2.0
# What happened so shortly before a kill may be lost.
LAST_S = 1.5
# Models, cameras and receivers are there after so long.
SETTLED_S = 45.0


@dataclass(frozen=True, slots=True)
class Sample:
    """What the process held at a time, in seconds since the beginning, and its store on the disk."""

    time_s: float
    pid: int
    rss_mb: float
    threads: int
    files: int
    recordings_mb: float
    store_mb: float


@dataclass(slots=True)
class Soak:
    """All that runs, and what was noted."""

    folder: Path
    cameras: list[RtspServer]
    receiver: Receiver
    broker: Broker
    listener: Listener
    page: str
    began_s: float = field(default_factory=time.monotonic)
    process: subprocess.Popen[bytes] | None = None
    samples: list[Sample] = field(default_factory=list)
    kills: list[datetime] = field(default_factory=list)
    broker_down: list[tuple[datetime, datetime]] = field(default_factory=list)
    looked: Counter[str] = field(default_factory=Counter)


def happened(visits: Iterable[StoredVisit], kills: list[datetime]) -> Counter[tuple[str, str]]:
    """Return what must have been told: visit and kind of event, by what the store has."""
    wanted: Counter[tuple[str, str]] = Counter()
    for stored in visits:
        visit = stored.visit
        near = [at for at in kills if abs((visit.first_at - at).total_seconds()) < LAST_S]
        wanted[visit.id, "began"] += 0 if near else 1
        for violation in visit.violations:
            is_near = [at for at in kills if timedelta() <= at - violation.from_at < timedelta(seconds=LAST_S + 3)]
            wanted[visit.id, "violation"] += 0 if is_near else 1
        wanted[visit.id, "ended"] += visit.ended in ("left", "camera lost") and not [
            at for at in kills if timedelta() <= at - visit.last_at < timedelta(seconds=LAST_S + 5)
        ]
    return +wanted


def told(records: list[dict[str, Any]]) -> tuple[Counter[tuple[str, str]], int]:
    """Return what was told, each id once, and how many posts had an id that came before."""
    by_id = {record["id"]: record for record in records}
    kinds = Counter((record["visit"]["id"], record["event"]) for record in by_id.values() if "visit" in record)
    return kinds, len(records) - len(by_id)


def check(soak: Soak, recordings_mb: float) -> list[str]:
    """Print what came of it; returns what is wrong."""
    wrong: list[str] = []
    with Store.open(soak.folder / "watch-data", readonly=True) as store:
        visits: list[StoredVisit] = []
        while True:
            page = store.visits(VisitQuery(limit=1000, before=visits[-1].cursor if visits else None))
            visits += page
            if len(page) < 1000:
                break
        usage = store.usage()
    wanted = happened(visits, soak.kills)
    mqtt = [json.loads(payload) for topic, payload in soak.listener.got if topic.endswith("/event")]
    click.echo(f"visits {len(visits)}, events that must have been told {wanted.total()}, recordings {usage.recordings}")
    for name, records in (("webhook", soak.receiver.got), ("mqtt", mqtt)):
        kinds, again = told(records)
        missing = wanted - kinds
        extra = Counter({key: count for key, count in kinds.items() if count > 1 and key[1] in ("began", "ended")})
        unknown = {visit for visit, _ in kinds} - {stored.visit.id for stored in visits}
        click.echo(
            f"{name}: {len(records)} posts, {again} of them with an id that came before, {missing.total()} events "
            f"missing, {len(extra)} told under two ids, {len(unknown)} of visits that the store has not"
        )
        if name == "mqtt":  # whoever listens to a broker that comes back may miss what it is told first
            missing = Counter({key: n for key, n in missing.items() if not _while_down(key[0], visits, soak)})
        if missing.total() or extra or unknown:
            wrong.append(f"{name}: missing {list(missing)[:5]}, twice {list(extra)[:5]}, unknown {list(unknown)[:5]}")
    wrong += check_flat(soak, recordings_mb)
    click.echo("page: " + ", ".join(f"{path}: {count}" for path, count in sorted(soak.looked.items())))
    log = (soak.folder / "serve.log").read_text()
    wrong += ["the log has a traceback"] if "Traceback" in log else []
    return wrong + (["the log shows a password"] if "hunter2" in log else [])


def _while_down(visit_id: str, visits: list[StoredVisit], soak: Soak) -> bool:
    visit = next(stored.visit for stored in visits if stored.visit.id == visit_id)
    return any(visit.first_at <= to_at and visit.last_at + timedelta(seconds=5) >= from_at
               for from_at, to_at in soak.broker_down)  # fmt: skip


def check_flat(soak: Soak, recordings_mb: float) -> list[str]:
    last = [one for one in soak.samples if one.pid == soak.samples[-1].pid]
    last = [one for one in last if one.time_s - last[0].time_s >= SETTLED_S]
    third = max(1, len(last) // 3)
    wrong = []
    length_s = last[-1].time_s - last[0].time_s
    click.echo(f"the last run, {length_s:.0f} s: median of the first third -> of the last third")
    series = [f"{one.rss_mb:.0f}" for one in last[:: max(1, len(last) // 12)]]
    click.echo(f"  rss_mb over time: {' '.join(series)}")
    for name, most_more in (("rss_mb", 25.0), ("threads", 2.0), ("files", 6.0)):
        first, end = (median(getattr(one, name) for one in part) for part in (last[:third], last[-third:]))
        click.echo(f"  {name}: {first:.0f} -> {end:.0f}")
        if end - first > most_more:
            wrong.append(f"{name} grows from {first:.0f} to {end:.0f}")
    top = max(one.recordings_mb for one in soak.samples)
    click.echo(f"  recordings: at most {top:.1f} MB, kept at {recordings_mb:.1f} MB; store {last[-1].store_mb:.1f} MB")
    # A sweep comes once a minute, and files that are being written count when they are noted.
    if top > recordings_mb * 1.5 + 5:
        wrong.append(f"recordings take {top:.1f} MB")
    return wrong


def scraped(address: str | None, minutes: float) -> str:
    if address is None:
        return "Prometheus is not installed"
    query = f"avg_over_time(up[{round(minutes * 60)}s])"
    with urllib.request.urlopen(f"{address}/api/v1/query?query={quote(query)}", timeout=10) as answer:
        found = json.load(answer)["data"]["result"]
    return f"Prometheus reached it in {100 * float(found[0]['value'][1]):.1f} % of the scrapes"
