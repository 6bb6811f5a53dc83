from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from maskinfer.control.room.state import CameraState
from maskinfer.control.room.told import Told
from maskinfer.control.settings.receivers import WebhookSettings
from maskinfer.control.settings.types import CameraSettings, Settings
from maskinfer.control.store.questions import StoredVisit
from maskinfer.engine.errors import RequestError
from maskinfer.engine.sinks.outbox import Outbox
from maskinfer.engine.visits.visit import VisitChange
from tests.helpers.visits_made import change, visit
from tests.helpers.waiting import wait_until

ONE = Settings((CameraSettings("door", "0"),))
OTHER = Settings((CameraSettings("door", "0"),), webhooks=(WebhookSettings("http://desk"),))
BROKEN = Settings((CameraSettings("door", "0"),), webhooks=(WebhookSettings("ftp://desk"),))


@dataclass
class Noting:
    """A publisher that notes what it is told, and closes when it may."""

    settings: Settings
    told: list[str] = field(default_factory=list)
    may_close: threading.Event = field(default_factory=threading.Event)
    outboxes: dict[str, Outbox] = field(default_factory=dict)

    def changed(self, change: VisitChange, stored: StoredVisit) -> None:
        self.told.append(change.visit.id)

    def camera(self, state: CameraState) -> None:
        self.told.append(state.state)

    def close(self) -> list[str]:
        self.may_close.wait(10)
        return ["1 event waits"]


def opener(opened: list[Noting]) -> Callable[[Settings], Noting]:
    def opens(settings: Settings) -> Noting:
        if settings is BROKEN:
            raise RequestError("ftp://desk cannot be posted to")
        opened.append(Noting(settings))
        return opened[-1]

    return opens


def tell(told: Told, number: int) -> None:
    one = visit(number)
    told.changed(StoredVisit(one, (), ""), change(one))


def test_what_happens_while_another_takes_its_place_is_told_to_the_other() -> None:
    opened: list[Noting] = []
    lines: list[str] = []
    told = Told(opener(opened), ONE, lines.append)
    tell(told, 1)
    told.change(OTHER)
    tell(told, 2)  # the first one still closes
    told.camera(CameraState("door", "lost"))
    opened[0].may_close.set()
    told.change(OTHER)
    wait_until(lambda: len(opened) == 2)
    opened[1].may_close.set()
    tell(told, 3)
    told.change(ONE)
    wait_until(lambda: len(opened) == 3)
    opened[2].may_close.set()
    wait_until(lambda: len(opened) == 4)
    opened[3].may_close.set()
    told.close()
    assert opened[0].told == [visit(1).id]
    assert [what for one in opened[1:] for what in one.told] == [visit(2).id, "lost", visit(3).id]
    assert [one.settings for one in opened] == [ONE, OTHER, OTHER, ONE]
    assert "1 event waits" in lines


def test_settings_that_cannot_be_leave_it_as_it_was() -> None:
    opened: list[Noting] = []
    lines: list[str] = []
    told = Told(opener(opened), ONE, lines.append)
    opened[0].may_close.set()
    told.change(BROKEN)
    tell(told, 1)
    wait_until(lambda: len(opened) == 2 and opened[1].told)
    assert opened[1].settings is ONE
    assert opened[1].told == [visit(1).id]
    assert "those who are told stay as they were: ftp://desk cannot be posted to" in lines
    opened[1].may_close.set()
    told.close()
