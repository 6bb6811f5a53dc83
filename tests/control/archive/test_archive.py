"""Questions to the tables of an archive: the answers are those of a slow, plain recount."""

from __future__ import annotations

import csv
import json
from collections import Counter, defaultdict
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import pytest

from maskinfer.control.archive.count import BY, By, Where, count_people, describe_archive
from maskinfer.control.archive.frames import frames_at
from maskinfer.control.archive.moments import Moment, find_moments
from maskinfer.control.archive.pictures import video_of
from maskinfer.control.archive.tables import ask, open_tables
from maskinfer.engine.errors import RequestError, SourceError, SourceNotFoundError
from maskinfer.engine.sources.video import open_video
from maskinfer.engine.tables.convert import convert_results
from tests.commands.test_run import check_error, maskinfer
from tests.helpers.archives import VIDEOS, WALL, save_results, save_videos
from tests.helpers.chromium import open_chromium
from tests.helpers.clips import number_of, write_clip

pytest.importorskip("pyarrow", reason="needs the [table] extra")
pytest.importorskip("duckdb", reason="needs the [table] extra")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``videos``, ``results`` and ``tables``; ``wall`` are the tables of those whose begin is known."""
    folder = tmp_path_factory.mktemp("archive")
    save_videos(folder / "videos", save_results(folder / "results"))
    for name, names in (("tables", VIDEOS), ("wall", WALL)):
        convert_results([(folder / "results" / f"{one}.jsonl", Path(f"{one}.jsonl")) for one in names], folder / name)
    return folder


def plain(tables: Path, table: str) -> list[dict[str, object]]:
    with open_tables([tables]) as database:
        return list(ask(database, f"SELECT * FROM {table}").to_pylist())


def key_of(row: dict[str, object], by: By, clock: str, at_s: float) -> str:
    if by in ("file", "camera"):
        return str(row["name" if by == "file" else "camera"])
    if clock == "wall":
        formats = {"minute": "%Y-%m-%d %H:%M", "hour": "%Y-%m-%d %H:00", "day": "%Y-%m-%d", "week": "%G-W%V"}
        return datetime.fromtimestamp(at_s, UTC).astimezone().strftime(formats[by])
    hours, minutes = divmod(int(at_s) // 60, 60)
    return {"minute": f"{hours}:{minutes:02d}", "hour": f"{hours}:00", "day": "day 1", "week": "week 1"}[by]


def recount(tables: Path, by: By, clock: str) -> dict[str, Counter[str]]:
    """Count people by looking at one visit after the other."""
    begins = {row["name"]: row["began_at"] for row in plain(tables, "files")}
    counted: dict[str, Counter[str]] = defaultdict(Counter)

    def start(row: dict[str, object], second: float) -> float:
        began = begins[row["name"]]
        return second + (began.timestamp() if clock == "wall" and isinstance(began, datetime) else 0)

    if by != "minute":
        for row in plain(tables, "visits"):
            counted[key_of(row, by, clock, start(row, float(str(row["from_s"]))))][str(row["label"])] += 1
        return counted
    held: dict[tuple[object, int], Counter[str]] = defaultdict(Counter)
    for row in plain(tables, "spans"):
        low, high = (start(row, float(str(row[end]))) for end in ("from_s", "to_s"))
        for minute in range(int(low // 60), int(high // 60) + 1):
            held[row["visit"], minute][str(row["label"])] += min(high, minute * 60 + 60) - max(low, minute * 60)  # type: ignore[assignment]
    for (_, minute), labels in held.items():
        known = {label: seconds for label, seconds in labels.items() if label != "uncertain"} or labels
        counted[key_of({}, by, clock, minute * 60)][max(known, key=lambda label: known[label])] += 1
    return counted


@pytest.mark.parametrize("by", BY)
@pytest.mark.parametrize("name", ["tables", "wall"])
def test_counts_are_those_of_a_plain_recount(archive: Path, name: str, by: By) -> None:
    with open_tables([archive / name]) as database:
        clock = describe_archive(database).clock
        assert clock == ("wall" if name == "wall" else "recording")
        rows = count_people(database, [by], clock=clock)
        all_people = count_people(database, [], clock=clock)
    assert {row.keys[by]: Counter(row.people) for row in rows} == recount(archive / name, by, clock)
    assert len(rows) >= (2 if by in ("file", "minute") else 1)
    keys = [row.keys[by] for row in rows]
    assert keys == sorted(keys, key=lambda key: (len(key), key) if by == "minute" else (0, key))
    if by != "minute":
        assert sum(row.total for row in rows) == all_people[0].total
    for row in rows:
        known = row.total - row.unknown
        assert sum(share.people for share in row.shares) == known
        assert all(share.low - 1e-9 <= share.share <= share.high + 1e-9 for share in row.shares if known)


def test_the_same_people_as_a_report_of_the_lines(archive: Path) -> None:
    done = maskinfer("report", archive / "results", "--json")
    assert done.returncode == 0, done.stderr
    lines = json.loads(done.stdout)
    done = maskinfer("report", archive / "tables", "--json")
    assert done.returncode == 0, done.stderr
    total = json.loads(done.stdout)["total"]
    assert (total["people"], total["unknown"], total["violations"]) == (
        lines["people"],
        lines["unknown"],
        lines["violations"],
    )
    assert [(one["label"], one["people"]) for one in total["labels"]] == [
        (one["label"], one["people"]) for one in lines["labels"]
    ]
    assert total["people"] > 20


def test_reports_in_every_form(archive: Path) -> None:
    out = archive / "days.csv"
    done = maskinfer("report", archive / "wall", "--by", "day", "--by", "camera", "--csv", "-o", out)
    assert done.returncode == 0, done.stderr
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["camera"] for row in rows] == ["door"] * len(rows)
    assert {row["day"] for row in rows} >= {"2026-11-25", "2026-11-26"}
    for row in rows:
        known = int(row["people"]) - int(row["uncertain"])
        assert float(row["with_mask_share"]) == pytest.approx(int(row["with_mask"]) / known, abs=1e-4)
    done = maskinfer("report", archive / "tables", "--by", "camera")
    assert done.returncode == 0, done.stderr
    assert all(name in done.stdout for name in ("5 videos", "hall", "door", "in no share"))
    day = json.loads(maskinfer("report", archive / "wall", "--json", "--day", "2026-11-25").stdout)
    with open_tables([archive / "wall"]) as database:
        some = count_people(database, [], Where(to_at=datetime(2026, 11, 26).astimezone()))
    assert day["total"]["people"] == some[0].total
    check_error(maskinfer("report", archive / "tables", "--day", "today"), 2, "not known when these videos were taken")
    check_error(maskinfer("report", archive / "tables", "--camera", "roof"), 2, "expected one of 1, door, hall")
    check_error(maskinfer("report", archive / "tables", "--sheet", archive / "s.jpg"), 2, "add --videos FOLDER")
    check_error(maskinfer("report", archive / "tables", "--html", "--videos", archive / "gone"), 2, "gone is no folder")
    refused = maskinfer("report", archive / "results", "--by", "day")
    assert "--by would do nothing: it is for the tables of an archive" in refused.stderr


def test_queries(archive: Path) -> None:
    out = archive / "answer.csv"
    asked = "select camera, count(*) n, max(to_s) from visits group by camera order by camera"
    done = maskinfer("query", asked, archive / "tables")
    assert done.returncode == 0, done.stderr
    assert "hall" in done.stdout
    for suffix in (".csv", ".json", ".parquet"):
        done = maskinfer("query", asked, archive / "tables", "-o", out.with_suffix(suffix))
        assert done.returncode == 0, done.stderr
        assert out.with_suffix(suffix).stat().st_mode & 0o077 == 0
    rows = json.loads(out.with_suffix(".json").read_text())
    assert [row["camera"] for row in rows] == ["1", "door", "hall"]
    visits = Counter(str(row["camera"]) for row in plain(archive / "tables", "visits"))
    assert {row["camera"]: row["n"] for row in rows} == visits
    assert len(out.read_text().splitlines()) == 4


BAD_QUERIES = {
    "another file": "select * from read_csv('/etc/passwd')",
    "a write": "copy (select 1) to 'x.csv'",
    "a change": "drop view faces",
    "two": "select 1; select 2",
    "a typing mistake": "select lable from faces",
    "a variable": "select * from database",
    "a setting": "set enable_external_access = true",
    "an attached file": "attach 'x.db'",
    "nothing": "",
}


@pytest.mark.parametrize("sql", BAD_QUERIES.values(), ids=BAD_QUERIES)
def test_queries_that_are_refused(archive: Path, sql: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    with open_tables([archive / "tables"]) as database, pytest.raises(RequestError, match="query") as refused:
        ask(database, sql)
    assert "\n" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_tables_that_are_not_there_or_broken(archive: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceNotFoundError, match="there are no tables"), open_tables([tmp_path]):
        pass
    for table in ("faces", "visits", "spans", "files"):
        (tmp_path / f"a.{table}.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(SourceError, match="cannot be read"), open_tables([tmp_path]):
        pass
    check_error(maskinfer("query", "select 1", tmp_path), 1, "cannot be read")
    check_error(maskinfer("query", "select 1", archive / "tables", "-o", tmp_path / "x.xls"), 2, "expected .csv, .json")


def moments(archive: Path, *labels: str) -> list[Moment]:
    with open_tables([archive / "tables"]) as database:
        return find_moments(database, labels) if labels else find_moments(database)


def test_moments_are_the_spans_of_a_label(archive: Path) -> None:
    found = moments(archive, "without_mask")
    spans = [row for row in plain(archive / "tables", "spans") if row["label"] == "without_mask"]
    assert len(found) == len(spans) > 5
    assert {(one.visit, one.from_s) for one in found} == {(row["visit"], row["from_s"]) for row in spans}
    assert [one.name for one in found] == sorted(one.name for one in found)
    assert {one.label for one in moments(archive)} == {"without_mask", "incorrect_mask"}
    with open_tables([archive / "wall"]) as database:
        late = find_moments(database, where=Where(from_at=datetime(2026, 11, 26).astimezone()))
        assert {one.name for one in late} == {WALL[1]}
        assert len(find_moments(database, most=2)) == 2


@pytest.mark.parametrize("b_frames", [0, 2])
def test_frames_by_their_times(tmp_path: Path, b_frames: int) -> None:
    clip = write_clip(tmp_path / "clip.mp4", 200, b_frames=b_frames, options={"g": "24"})
    with open_video(clip) as video:
        times_s = {frame.index: frame.time_s for frame in video}
    wanted = [0, 1, 1, 30, 31, 150, 152, 199]
    found = list(frames_at(clip, [times_s[index] for index in wanted]))
    assert [None if frame is None else number_of(frame) for frame in found] == wanted


def test_a_contact_sheet(archive: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    done = maskinfer(
        "report", archive / "tables", "--videos", archive / "videos", "--sheet", sheet, "--label", "without_mask"
    )
    assert done.returncode == 0, done.stderr
    assert sheet.stat().st_mode & 0o077 == 0
    picture = cv2.imread(str(sheet))
    found = moments(archive, "without_mask")
    assert picture is not None
    assert picture.shape[1] == 5 * 326 + 6
    assert picture.shape[0] == -(-len(found) // 5) * (180 + 3 * 18 + 12) + 6
    for i, _ in enumerate(found):
        left, top = 6 + i % 5 * 326, 6 + i // 5 * 246
        tile = picture[top : top + 180, left : left + 320].astype(int)
        is_orange = (np.abs(tile - (0, 94, 213)).max(-1) < 60).sum()
        assert is_orange > 100, f"tile {i} marks no face"
        assert (tile.min(-1) > 200).sum() > 300, f"tile {i} shows no face"
    hidden = tmp_path / "hidden.png"
    done = maskinfer("report", archive / "tables", "--videos", archive / "videos", "--sheet", hidden, "--blur-faces")
    assert done.returncode == 0, done.stderr


def test_a_name_in_a_table_leads_nowhere_else(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    write_clip(tmp_path / "secret.mp4", 3)
    one = moments(archive)[0]
    for name in ("../secret.mp4", str(tmp_path / "secret.mp4"), "gone.mp4"):
        changed = Moment(**{field: name if field == "name" else getattr(one, field) for field in one.__slots__})
        assert video_of(changed, tmp_path / "videos") is None
    assert video_of(one, archive / "videos") == archive / "videos" / one.name


def test_the_page_plays_the_moments(archive: Path) -> None:
    page_file = archive / "pages" / "archive.html"
    page_file.parent.mkdir()
    done = maskinfer("report", archive / "tables", "--videos", archive / "videos", "--html", "-o", page_file)
    assert done.returncode == 0, done.stderr
    assert page_file.stat().st_mode & 0o077 == 0
    text = page_file.read_text()
    assert "http://" not in text.replace("http://www.w3.org", "")
    assert "https://" not in text
    found = moments(archive)
    with open_chromium() as page:
        page.open(page_file.as_uri())
        assert page.run("document.querySelectorAll('.moments li').length") == len(found)
        assert page.run("document.querySelector('.moments li img').naturalWidth") == 320
        number = next(i for i, one in enumerate(found) if one.name.endswith(".mp4") and one.from_s > 5)
        page.click(f'.moments button[data-number="{number}"]')
        page.wait("document.querySelector('video').readyState >= 2")
        shown = page.wait(
            "document.querySelector('.screen rect').getAttribute('width') > 0 && "
            "document.querySelector('video').currentTime"
        )
        assert found[number].from_s - 2.1 < shown < found[number].to_s + 2.1
        assert page.run("Math.round(document.querySelector('.screen rect').getAttribute('width'))") == 30
        page.press("Escape", code=27)
        page.wait("!document.querySelector('dialog').open")
        page.run("document.querySelector('.filters input[value=without_mask]').click()")
        left = sum(one.label != "without_mask" for one in found)
        assert page.run("[...document.querySelectorAll('.moments li')].filter((one) => !one.hidden).length") == left
        assert int(page.run("document.querySelector('output').textContent")) == left
        assert page.problems() == []


def test_names_and_labels_on_the_page_are_no_commands(archive: Path, tmp_path: Path) -> None:
    name = "<img src=x onerror=alert(1)>.mp4"
    results = tmp_path / "results"
    saved = save_results(results, ("a.mp4",))
    assert saved
    (results / "a.mp4.jsonl").replace(results / f"{name}.jsonl")
    convert_results([(results / f"{name}.jsonl", Path(f"{name}.jsonl"))], tmp_path / "tables")
    done = maskinfer("report", tmp_path / "tables", "--html", "-o", tmp_path / "page.html")
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "page.html").read_text()
    assert "<img src=x" not in text
    assert "&lt;img src=x" in text
