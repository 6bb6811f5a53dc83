"""Results as Parquet: rows are those of the results, each video has its own files, visits are those of reports."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

import maskinfer
from maskinfer.engine.errors import OutputError
from maskinfer.engine.files.jsonl import to_line
from maskinfer.engine.jobs.archive import run_videos
from maskinfer.engine.jobs.video import run_video
from maskinfer.engine.results import LABELS, BGRFrame
from maskinfer.engine.sinks.outputs import Outputs
from maskinfer.engine.tables.columns import COLUMNS, TABLES
from maskinfer.engine.tables.convert import convert_results
from maskinfer.engine.tables.write import ParquetTables
from tests.commands.test_run import check_error
from tests.commands.test_run import maskinfer as run_maskinfer
from tests.helpers.archives import VIDEOS, save_results
from tests.helpers.clips import write_clip

pq = pytest.importorskip("pyarrow.parquet", reason="needs the [table] extra")


def rows(folder: Path, name: str, table: str) -> list[dict[str, object]]:
    return list(pq.read_table(folder / f"{name}.{table}.parquet").to_pylist())


def convert(folder: Path, out: Path) -> list[str]:
    files = [(file, file.relative_to(folder)) for file in sorted(folder.rglob("*.jsonl"))]
    return convert_results(files, out)[1]


@pytest.fixture(scope="module")
def engine(colour_classifier: Path) -> maskinfer.Engine:
    return maskinfer.load(classifier=str(colour_classifier), det_size_wh=(160, 160))


def test_rows_are_the_results(tmp_path: Path) -> None:
    saved = save_results(tmp_path / "results", VIDEOS[:4], seconds=40)
    assert convert(tmp_path / "results", tmp_path / "tables") == []
    for name, results in saved.items():
        found = rows(tmp_path / "tables", name, "faces")
        faces = [(result, face) for result in results for face in result.faces]
        assert len(found) == len(faces) > 100
        for row, (result, face) in zip(found, faces, strict=True):
            assert (row["frame"], row["time_s"], row["track_id"]) == (result.frame, result.time_s, face.track_id)
            assert (row["label"], row["bare"], row["name"], row["source"]) == (face.label, face.bare, name, name)
            assert [row[label] for label in LABELS] == pytest.approx([face.scores[label] for label in LABELS], abs=1e-4)
            assert [row[side] for side in ("left", "top", "right", "bottom")] == pytest.approx(face.xyxy, abs=0.01)
        file = rows(tmp_path / "tables", name, "files")
        assert [(row["frames"], round(row["duration_s"], 6), row["width"], row["height"]) for row in file] == [
            (200, 40, 320, 180)
        ]
        assert file[0]["visits"] == len(rows(tmp_path / "tables", name, "visits"))
    assert {row["camera"] for row in rows(tmp_path / "tables", "hall/2.mkv", "faces")} == {"hall"}
    door = rows(tmp_path / "tables", "door-20261125T081500.mp4", "faces")[0]
    assert door["camera"] == "door"
    assert door["seen_at"] == datetime(2026, 11, 25, 8, 15).astimezone() + timedelta(seconds=door["time_s"])  # type: ignore[arg-type]
    assert rows(tmp_path / "tables", "1.mp4", "faces")[0]["seen_at"] is None


def test_a_label_of_ones_own_has_its_probability(tmp_path: Path) -> None:
    pytest.importorskip("duckdb", reason="needs the [table] extra")
    (name,) = save_results(tmp_path / "results", VIDEOS[:1], seconds=40)
    file = tmp_path / "results" / f"{name}.jsonl"
    records = [json.loads(line) for line in file.read_text().splitlines()]
    seen = [face for record in records for face in record["faces"]]
    for number, face in enumerate(seen):
        face["scores"] |= {"visor": number / 1000}
    file.write_text("".join(json.dumps(record) + "\n" for record in records))
    save_results(tmp_path / "results", VIDEOS[1:2], seconds=40)
    assert convert(tmp_path / "results", tmp_path / "tables") == []
    visors = [number / 1000 for number in range(len(seen))]
    assert [dict(row["others"])["visor"] for row in rows(tmp_path / "tables", name, "faces")] == pytest.approx(visors)  # type: ignore[call-overload]
    assert {row["others"] for row in rows(tmp_path / "tables", VIDEOS[1], "faces")} == {None}, "it has no such label"
    sql = "select max(others['visor']) as most from faces"
    done = run_maskinfer("query", sql, tmp_path / "tables", "-o", tmp_path / "most.json")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "most.json").read_text()) == [{"most": pytest.approx(visors[-1])}]


def test_spans_are_those_of_the_visits(tmp_path: Path) -> None:
    save_results(tmp_path / "results")
    convert(tmp_path / "results", tmp_path / "tables")
    for name in VIDEOS:
        visits = {row["visit"]: row for row in rows(tmp_path / "tables", name, "visits")}
        spans = rows(tmp_path / "tables", name, "spans")
        assert {row["visit"] for row in spans} == set(visits)
        for visit, row in visits.items():
            own = [span for span in spans if span["visit"] == visit]
            assert (own[0]["from_s"], own[-1]["to_s"], own[-1]["label"]) == (row["from_s"], row["to_s"], row["label"])
            assert [span["to_s"] for span in own[:-1]] == [span["from_s"] for span in own[1:]]
        best = [span for span in spans if span["label"] != "uncertain"]
        assert best
        assert all(span["track_id"] in visits[span["visit"]]["track_ids"] for span in best)  # type: ignore[operator]


def test_other_rules_without_a_model(tmp_path: Path) -> None:
    save_results(tmp_path / "results", VIDEOS[:2])
    done = run_maskinfer("tables", tmp_path / "results", "-o", tmp_path / "tables")
    assert (done.returncode, done.stderr.splitlines()[-1][:11]) == (0, "2 videos an")
    strict = run_maskinfer("tables", tmp_path / "results", "-o", tmp_path / "strict", "--event-min-score", "0.99")
    assert strict.returncode == 0, strict.stderr

    def labels(folder: str) -> set[object]:
        return {row["label"] for name in VIDEOS[:2] for row in rows(tmp_path / folder, name, "visits")}

    assert len(labels("tables")) > 1
    assert labels("strict") == {"uncertain"}


def test_a_job_writes_tables_of_each_video(engine: maskinfer.Engine, portrait: BGRFrame, tmp_path: Path) -> None:
    archive, out, tables = tmp_path / "archive", tmp_path / "out", tmp_path / "tables"
    (archive / "monday").mkdir(parents=True)
    write_clip(archive / "a.mp4", [portrait] * 20)
    write_clip(archive / "monday/a.mp4", 5)
    outputs = Outputs(jsonl=str(tmp_path / "results"), tables=ParquetTables(tables))
    for frames, skipped in ((25, 0), (0, 2)):
        summary = run_videos(engine, [str(archive)], out, track=maskinfer.TrackOptions(), outputs=outputs)
        assert (summary.frames, summary.skipped, summary.problems) == (frames, skipped, [])
    names = sorted(str(path.relative_to(tables)) for path in tables.rglob("*") if path.is_file())
    assert names == [f"{name}.{table}.parquet" for name in ("a.mp4", "monday/a.mp4") for table in sorted(TABLES)]
    lines = (tmp_path / "results/a.mp4.jsonl").read_text().splitlines()
    assert len(rows(tables, "a.mp4", "faces")) == sum(len(json.loads(line)["faces"]) for line in lines) == 20
    assert [row["track_ids"] for row in rows(tables, "a.mp4", "visits")] == [[1]]
    assert rows(tables, "monday/a.mp4", "faces") == []
    assert [row["frames"] for row in rows(tables, "monday/a.mp4", "files")] == [5]
    convert(tmp_path / "results", tmp_path / "again")
    for table in ("faces", "visits", "spans"):
        one, other = (
            [{**row, "source": ""} for row in rows(folder, "a.mp4", table)] for folder in (tables, tmp_path / "again")
        )
        assert one == other
    (tables / "a.mp4.spans.parquet").unlink()
    assert run_videos(engine, [str(archive)], out, track=maskinfer.TrackOptions(), outputs=outputs).frames == 20


def test_faces_that_are_not_followed_make_no_visits(
    engine: maskinfer.Engine, portrait: BGRFrame, tmp_path: Path
) -> None:
    clip = write_clip(tmp_path / "a.mp4", [portrait] * 4)
    run_video(engine, clip, outputs=Outputs(tables=ParquetTables(tmp_path / "tables", Path("a.mp4"))))
    assert len(rows(tmp_path / "tables", "a.mp4", "faces")) == 4
    assert rows(tmp_path / "tables", "a.mp4", "visits") == []


def test_a_watch_of_several_sources_in_one_file(tmp_path: Path) -> None:
    saved = save_results(tmp_path / "own", VIDEOS[:2], seconds=30)
    file = tmp_path / "results/watch.jsonl"
    file.parent.mkdir()
    stamp = {"run": "3f2a91c0", "at": "2026-11-25T08:00:10+00:00"}
    one, other = saved.values()
    lines = [to_line(result, stamp) for pair in zip(one, other, strict=True) for result in pair]
    file.write_text("".join(f"{line}\n" for line in lines))
    assert convert(tmp_path / "results", tmp_path / "tables") == []
    found = [rows(tmp_path / "tables", name, "files")[0] for name in ("watch", "watch-2")]
    assert [row["source"] for row in found] == list(VIDEOS[:2])
    assert all(str(row["began_at"]).startswith("2026-11-25 08:00:10") for row in found)


def test_what_cannot_be_read_or_written(tmp_path: Path) -> None:
    save_results(tmp_path / "results", VIDEOS[:1], seconds=20)
    broken = tmp_path / "results/broken.mp4.jsonl"
    broken.write_text((tmp_path / "results/1.mp4.jsonl").read_text() + "no JSON\n")
    problems = convert(tmp_path / "results", tmp_path / "tables")
    assert len(problems) == 1
    assert "line 101 of" in problems[0]
    assert sorted(path.name for path in (tmp_path / "tables").iterdir()) == [
        f"1.mp4.{table}.parquet" for table in sorted(TABLES)
    ]
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(OutputError):
        convert(tmp_path / "results", tmp_path / "file")
    check_error(run_maskinfer("tables", tmp_path / "tables", "-o", tmp_path / "more"), 2, "neither a store nor")


def test_the_columns_are_documented() -> None:
    text = (Path(__file__).parents[3] / "docs/reference/formats.md").read_text()
    section = text.split("## Tables", 1)[1].split("\n## ", 1)[0]
    missing = [
        f"{table}.{name}" for table, columns in COLUMNS.items() for name, _ in columns if f"`{name}`" not in section
    ]
    assert missing == []


def test_an_empty_video_is_a_row_too(tmp_path: Path) -> None:
    saved = save_results(tmp_path / "own", VIDEOS[:1], seconds=20)
    results = tmp_path / "results"
    results.mkdir()
    empty = [replace(result, faces=()) for result in saved["1.mp4"]]
    (results / "1.mp4.jsonl").write_text("".join(f"{to_line(result)}\n" for result in empty))
    assert convert(results, tmp_path / "tables") == []
    assert [row["faces"] for row in rows(tmp_path / "tables", "1.mp4", "files")] == [0]
