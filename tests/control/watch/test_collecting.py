"""Pictures to be labelled, kept by a running watch."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from maskinfer.control.settings.read import read_settings
from maskinfer.control.settings.types import CameraSettings, CollectSettings, Settings
from maskinfer.control.store.questions import VisitQuery
from maskinfer.engine.engine import Engine
from maskinfer.engine.errors import RequestError
from maskinfer.engine.load import load
from maskinfer.engine.sinks.run import local_now
from maskinfer.site.choose import Doubt, Kept
from maskinfer.site.keep import PoolWriter, forget_old, tidy_pool
from maskinfer.site.label.answers import Answer, read_labellers, save_answer
from maskinfer.site.label.queue import Queue
from maskinfer.site.picker import CollectOptions
from maskinfer.site.pool import POOL_FILE, PoolFace, PoolPicture, picture_file, read_pool
from tests.helpers.running_room import Running, running_room
from tests.helpers.waiting import wait_until


@pytest.fixture(scope="module")
def engine() -> Engine:
    return load(threads=1, lanes=1)


def settings_of(clip: Path, collect: CollectSettings | None) -> Settings:
    cameras = tuple(CameraSettings(name, str(clip)) for name in ("door", "yard"))
    return replace(Settings(cameras), collect=collect)


def came(running: Running) -> None:
    """Wait until somebody was before each camera; what is not written by then is when the room ends."""
    wait_until(lambda: {one.visit.camera for one in running.store.visits(VisitQuery())} == {"door", "yard"})


def test_a_watch_keeps_pictures_of_the_cameras_that_are_named(tmp_path: Path, engine: Engine, door_clip: Path) -> None:
    site = tmp_path / "site"
    collect = CollectSettings(str(site), cameras=("door",), test_share=1.0)
    with running_room(tmp_path / "store", settings_of(door_clip, collect), engine) as running:
        came(running)
    pool = read_pool(site)
    assert pool
    assert {picture.camera for picture in pool} == {"door"}
    assert {(picture.part, picture.why) for picture in pool} == {("test", "random")}
    assert {picture.taken[:10] for picture in pool} <= {
        str(local_now().date()),
        str((local_now() - timedelta(1)).date()),
    }
    for file in (site / POOL_FILE, *(picture_file(site, picture.id) for picture in pool)):
        assert file.stat().st_mode & 0o777 == 0o600
    assert Queue(site, "anna").now()["left"] == sum(len(picture.faces) for picture in pool)


def test_nothing_is_kept_unless_it_is_asked_for(tmp_path: Path, engine: Engine, door_clip: Path) -> None:
    settings = settings_of(door_clip, None)
    assert settings.collect is None
    with running_room(tmp_path / "store", settings, engine) as running:
        came(running)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["store"]


def test_several_processes_keep_pictures_in_one_folder(tmp_path: Path, door_clip: Path) -> None:
    site = tmp_path / "site"
    settings = settings_of(door_clip, CollectSettings(str(site), test_share=1.0))
    with running_room(tmp_path / "store", settings, None) as running:
        came(running)
    assert {picture.camera for picture in read_pool(site)} == {"door", "yard"}


def test_a_folder_that_cannot_be_written_ends_nothing_and_is_told(
    tmp_path: Path, engine: Engine, door_clip: Path
) -> None:
    (tmp_path / "file").write_text("no folder")
    collect = CollectSettings(str(tmp_path / "file" / "site"), test_share=1.0)
    with running_room(tmp_path / "store", settings_of(door_clip, collect), engine) as running:
        came(running)
    assert len([line for line in running.lines if line.startswith("no pictures are collected: ")]) == 1


def test_the_switch_in_a_settings_file(tmp_path: Path) -> None:
    file = tmp_path / "watch.toml"
    camera = '[[cameras]]\nname = "door"\nurl = "0"\n'
    file.write_text(f'{camera}[collect]\nfolder = "here"\nper_day = 7\nreasons = ["uncertain"]\n')
    collect = read_settings(file).collect
    assert collect == CollectSettings(str(tmp_path / "here"), reasons=("uncertain",), per_day=7)
    file.write_text(f"{camera}[collect]\n")
    assert read_settings(file).collect == CollectSettings(str(tmp_path / "site"))
    for line, said in (
        ('cameras = ["porch"]', "line 5: there is no camera 'porch'"),
        ("per_day = 0", "line 5: collect.per_day is 0"),
        ('reasons = ["boredom"]', "line 5: collect.reasons[0] is 'boredom'"),
        ("perday = 3", "line 5: unknown field 'perday' in collect, did you mean 'per_day'"),
    ):
        file.write_text(f"{camera}[collect]\n{line}\n")
        with pytest.raises(RequestError) as told:
            read_settings(file)
        assert said in str(told.value)


def kept(number: int, taken: datetime, part: str = "pool") -> Kept:
    face = PoolFace((1.0, 1.0, 9.0, 9.0), "with_mask", 0.5, 0.9)
    picture = PoolPicture(
        f"{number:016x}", "door", taken.isoformat(), f"v{number}", part, "uncertain", (10, 10), (face,)  # type: ignore[arg-type]
    )  # fmt: skip
    bits = int(np.random.default_rng(number).integers(2**63))
    return Kept(Doubt("uncertain", 1.0), replace(picture, fingerprint=f"{bits:016x}"), b"jpeg", bits)


def test_the_budget_of_a_day_is_that_of_all_who_write(tmp_path: Path) -> None:
    now, options = local_now(), CollectOptions(per_day=3)
    one, other = PoolWriter(tmp_path, options), PoolWriter(tmp_path, options)
    assert [writer.add(kept(i, now)) for i, writer in enumerate((one, other, one))] == ["", "", ""]
    assert other.add(kept(3, now)) == "the day's budget is spent"
    assert other.add(kept(0, now)) == "was there already"
    assert other.add(kept(4, now - timedelta(days=2))) == ""
    twin = replace(kept(5, now - timedelta(days=3)).record, fingerprint=kept(4, now).record.fingerprint)
    assert (
        one.add(Kept(Doubt("uncertain", 1.0), twin, b"jpeg", kept(4, now).fingerprint)) == "nearly the same as another"
    )


def test_pictures_that_nobody_labelled_go_and_are_not_collected_again(tmp_path: Path) -> None:
    now = local_now()
    writer = PoolWriter(tmp_path, CollectOptions())
    for number, days in enumerate((40, 40, 1)):
        assert writer.add(kept(number, now - timedelta(days=days))) == ""
    labellers = read_labellers(tmp_path)
    queue = Queue(tmp_path, "anna")
    assert labellers == {}
    save_answer(tmp_path, queue._me, Answer(f"{0:016x}", 0, "with_mask"))
    assert forget_old(tmp_path, 30, now) == 1
    assert forget_old(tmp_path, 30, now) == 0
    assert [picture.id[-1] for picture in read_pool(tmp_path)] == ["0", "2"]
    assert PoolWriter(tmp_path, CollectOptions()).add(kept(1, now)) == "was there already"
    tidy_pool(tmp_path)
    lines = [json.loads(line) for line in (tmp_path / POOL_FILE).read_text().splitlines()]
    assert [line["id"][-1] for line in lines] == ["0", "2"]
    assert (tmp_path / POOL_FILE).stat().st_mode & 0o777 == 0o600
    tidy_pool(tmp_path / "none")
    assert forget_old(tmp_path / "none", 30, now) == 0
