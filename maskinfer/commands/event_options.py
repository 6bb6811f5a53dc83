"""The options of events: where they go, and when something is one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from maskinfer.commands.addresses import read_secret_address

if TYPE_CHECKING:
    from maskinfer.engine.sinks.event_targets import EventTargets
    from maskinfer.engine.sinks.events import EventOptions

_F = TypeVar("_F", bound=Callable[..., Any])
_EVENT_OPTIONS = (
    click.option("--events", metavar="FILE|-",
                 help="Write a JSON object for each person and change: appeared, settled, changed, left."),
    click.option("--webhook", metavar="URL|env:NAME|@FILE", callback=read_secret_address,
                 help="Post each event there, again until it is taken. env:NAME and @FILE name an environment variable "
                      "and a file that hold the URL, which then is not in the list of processes."),
)  # fmt: skip
_EVENT_RULES = (
    click.option("--event-min-score", type=click.FloatRange(0, 1), metavar="SCORE",
                 help="Labels with less are uncertain, and make no event; by default what keeps wrong ones under 2 %, "
                      "if the classifier's file says it, or else .8."),
    click.option("--event-min-face-px", type=click.FloatRange(0), default=16, show_default=True, metavar="PIXELS",
                 help="So are those of faces whose shorter side is less."),
    click.option("--event-min-sharpness", type=click.FloatRange(0), default=9, show_default=True, metavar="NUMBER",
                 help="So are those of faces that are more blurred; clear ones have 13."),
    click.option("--event-hold", type=click.FloatRange(0), default=0.5, show_default=True, metavar="SECONDS",
                 help="A label has to stay for so long before it is settled, or changed."),
    click.option("--event-cooldown", type=click.FloatRange(0), default=2.0, show_default=True, metavar="SECONDS",
                 help="Least time between two changes of one person."),
)  # fmt: skip


def event_options(command: _F) -> _F:
    """Give a command the options of events."""
    for option in reversed(_EVENT_OPTIONS):
        command = option(command)
    return event_rules(command)


def event_rules(command: _F) -> _F:
    """Give a command the options of when something is an event."""
    for option in reversed(_EVENT_RULES):
        command = option(command)
    return command


def read_event_rules(options: dict[str, Any]) -> EventOptions:
    """Return what the options of ``event_rules`` ask for."""
    from maskinfer.engine.faces.quality import Gate
    from maskinfer.engine.sinks.events import EventOptions

    return EventOptions(
        min_score=options["event_min_score"],
        hold_s=options["event_hold"],
        cooldown_s=options["event_cooldown"],
        gate=Gate(options["event_min_face_px"], options["event_min_sharpness"]),
    )


def read_events(options: dict[str, Any]) -> EventTargets | None:
    """Return where events go, if anywhere."""
    from maskinfer.engine.sinks.event_targets import EventTargets

    if options["events"] is None and options["webhook"] is None:
        return None
    if not options["track"]:
        raise click.UsageError("--events and --webhook need faces that are followed: leave out --no-track")
    return EventTargets(options["events"], options["webhook"], read_event_rules(options))
