"""How far counts of people may be trusted: ids and visits on clips whose people were listed by eye.

python -m benchmarks.visits CLIP... [--classifier FILE]

`benchmarks/people.json` holds, for each clip, the people whose face is to be seen, as they were told apart by eye: rows
of frame, x and y of the middle of the face and its width, in pixels. Each clip is looked at with every frame and with
every 2nd, 3rd, 5th and 8th one, as a slow machine sees a live camera. Printed are the tracks, those that lasted long
enough to appear, the visits, the people who were among them, the joins and how many of them were right, how often a
visit went over to another person, and how many visits were of somebody who had one already.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import click

from maskinfer.engine.engine import Engine
from maskinfer.engine.faces.classifier import DEFAULT_CLASSIFIER
from maskinfer.engine.faces.track import TrackOptions
from maskinfer.engine.load import load
from maskinfer.engine.results import Face, FrameResult
from maskinfer.engine.sources.open import open_source
from maskinfer.engine.visits.book import VisitBook
from maskinfer.engine.visits.rules import VisitRules

PEOPLE = Path(__file__).with_name("people.json")
STRIDES = (1, 2, 3, 5, 8)
# Between two rows further apart nobody knows where the face was.
_MOST_FRAMES = 8
_START = datetime(2026, 1, 1, tzinfo=UTC)
Rows = list[list[float]]


@click.command(help=__doc__)
@click.argument("clips", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--classifier", default=DEFAULT_CLASSIFIER, show_default=True)
def main(clips: tuple[Path, ...], classifier: str) -> None:
    engine = load(classifier=classifier)
    truth = json.loads(PEOPLE.read_text(encoding="utf-8"))
    for clip in clips:
        people = truth[clip.name]
        click.echo(f"{clip.name}: {len(people)} people whose face is to be seen")
        for stride in STRIDES:
            click.echo(f"  1/{stride}: {describe(followed(engine, clip, stride), people)}")


def followed(engine: Engine, clip: Path, stride: int) -> list[FrameResult]:
    """Return the results of every so many frames."""
    tracker = engine.tracker(TrackOptions())
    with open_source(str(clip)) as frames:
        return [engine.infer([frame], [tracker])[0] for frame in frames if frame.index % stride == 0]


def describe(results: list[FrameResult], people: dict[str, Rows], rules: VisitRules | None = None) -> str:
    rules = rules or VisitRules()
    first: dict[int, float] = {}
    last: dict[int, float] = {}
    who: dict[int, list[tuple[int, str]]] = defaultdict(list)
    for result in results:
        for face in result.faces:
            track = face.track_id or 0
            first.setdefault(track, result.time_s)
            last[track] = result.time_s
            if person := person_of(face, result.frame, people):
                who[track].append((result.frame, person))
    appeared = {track for track in first if last[track] - first[track] >= rules.events.appear_s}
    visits = tracks_of_visits(results, rules)
    joins = [(a, b) for tracks in visits.values() for a, b in pairwise(tracks)]
    right = sum(bool(who[a]) and bool(who[b]) and who[a][-1][1] == who[b][0][1] for a, b in joins)
    found = {person for track in appeared for _, person in who[track]}
    merged = [[one for track in tracks for one in who[track]] for tracks in visits.values()]
    switches = sum(a[1] != b[1] for seen in merged for a, b in pairwise(sorted(seen)))
    twice = Counter(Counter(person for _, person in seen).most_common(1)[0][0] for seen in merged if seen)
    again = sum(count - 1 for count in twice.values())
    return (
        f"{len(first)} ids, {len(appeared)} appeared, {len(visits)} visits of {len(found)} people; {len(joins)} joins, "
        f"{right} right; {switches} switches within visits; {again} visits of who had one; "
        f"{sum(not seen for seen in merged)} of nobody"
    )


def tracks_of_visits(results: list[FrameResult], rules: VisitRules) -> dict[str, list[int]]:
    """Return the tracks that each visit is made of, in order."""
    book, tracks = VisitBook("clip", replace(rules, pictures=False), "run"), defaultdict[str, list[int]](list)
    for result in results:
        book.add(None, result, _START + timedelta(seconds=result.time_s))
        for visit, track in book.tracks.items():
            if track not in tracks[visit]:
                tracks[visit].append(track)
    return tracks


def person_of(face: Face, frame: int, people: dict[str, Rows]) -> str | None:
    """Return whose face it is: of the one whose face's middle is nearest, and within half of its width."""
    left, top, right, bottom = face.xyxy
    best, nearest = None, 0.5
    for person, rows in people.items():
        if (place := place_at(rows, frame)) is not None:
            x, y, width = place
            away = max(abs((left + right) / 2 - x), abs((top + bottom) / 2 - y)) / width
            if away < nearest:
                best, nearest = person, away
    return best


def place_at(rows: Rows, frame: int) -> tuple[float, float, float] | None:
    """Return where a face is in a frame, between two rows; None where it is not to be seen."""
    i = bisect_right([row[0] for row in rows], frame)
    if i and rows[i - 1][0] == frame:
        return rows[i - 1][1], rows[i - 1][2], rows[i - 1][3]
    if not 0 < i < len(rows) or rows[i][0] - rows[i - 1][0] > _MOST_FRAMES:
        return None
    before, after = rows[i - 1], rows[i]
    share = (frame - before[0]) / (after[0] - before[0])
    x, y, width = (b + share * (a - b) for b, a in zip(before[1:], after[1:], strict=True))
    return x, y, width


if __name__ == "__main__":
    main()
