"""What systemd hears, on a real socket."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from maskinfer.control.publish.systemd import ServiceManager


@pytest.fixture(params=["path", "abstract"])
def heard(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    name = str(tmp_path / "notify") if request.param == "path" else f"@maskinfer-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as there:
        there.bind(name.replace("@", "\0"))
        there.settimeout(5)
        yield name, there


def test_what_is_said_from_start_to_end(heard: tuple[str, socket.socket]) -> None:
    name, there = heard
    now = [100.0]
    manager = ServiceManager({"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "8000000"}, clock=lambda: now[0])
    manager.ready("2 cameras,\n1 lost")
    for now[0] in (100.0, 100.5, 101.9, 102.0):
        manager.beat()
    manager.status("2 cameras")
    manager.status("2 cameras")
    manager.reloading()
    manager.stopping("stopped by SIGTERM")
    said = [there.recv(4096).decode() for _ in range(6)]
    assert said[0] == "READY=1\nSTATUS=2 cameras, 1 lost"
    assert said[1:4] == ["WATCHDOG=1", "WATCHDOG=1", "STATUS=2 cameras"]
    assert said[4].startswith("RELOADING=1\nMONOTONIC_USEC=")
    assert said[5] == "STOPPING=1\nSTATUS=stopped by SIGTERM"
    assert manager.beats_every_s == 4


@pytest.mark.parametrize(
    "environ",
    [{}, {"WATCHDOG_USEC": "x"}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "5000000", "WATCHDOG_PID": "1"}],
)
def test_without_a_watchdog_nobody_waits_for_a_beat(heard: tuple[str, socket.socket], environ: dict[str, str]) -> None:
    name, there = heard
    manager = ServiceManager({"NOTIFY_SOCKET": name, **environ})
    manager.beat()
    manager.ready("here")
    assert there.recv(4096) == b"READY=1\nSTATUS=here"
    assert manager.beats_every_s is None


@pytest.mark.parametrize("name", ["", "nowhere", "/no/such/socket"])
def test_where_nobody_listens_nothing_happens(name: str) -> None:
    manager = ServiceManager({"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "1000000"})
    manager.ready("here")
    manager.beat()
    manager.stopping("over")
