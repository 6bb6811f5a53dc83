"""Figures for Prometheus, in its text format, made when it asks for them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, get_args

from maskinfer.control.room.state import (
    CameraCounters,
    CameraState,
    CameraStatus,
    Distribution,
    Room,
    RoomCounters,
    camera_labels,
)
from maskinfer.control.store.questions import StoreUsage
from maskinfer.engine.drift.counts import WHATS
from maskinfer.engine.errors import MissingExtraError, SourceError
from maskinfer.engine.results import UNCERTAIN, WITH_MASK

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import HistogramMetricFamily, Metric

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_STATES: tuple[CameraStatus, ...] = get_args(CameraStatus)


def render(room: Room) -> bytes:
    """Return the figures of a room as text for Prometheus (``CONTENT_TYPE``).

    The names begin with ``maskinfer_``; times are in seconds, sizes in bytes. Figures of the process itself, such as
    ``process_resident_memory_bytes``, come with them.

    Raises:
        MissingExtraError: prometheus-client is not installed.
    """
    registry = registry_for(room)
    from prometheus_client import generate_latest

    return generate_latest(registry)


def registry_for(room: Room) -> CollectorRegistry:
    """Return a registry whose figures are those of a room at the moment they are asked for.

    Raises:
        MissingExtraError: prometheus-client is not installed.
    """
    try:
        from prometheus_client import CollectorRegistry, ProcessCollector
    except ImportError as error:
        raise MissingExtraError("prometheus-client", "serve") from error
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(room))
    ProcessCollector(registry=registry)
    return registry


class _Collector:
    def __init__(self, room: Room) -> None:
        self._room = room

    def collect(self) -> Iterator[Metric]:
        counters = self._room.counters
        yield from _of_process(counters)
        states = self._room.cameras()
        yield from _of_states(states)
        yield from _of_cameras(counters.cameras)
        yield from _of_people(counters.cameras, states)
        try:
            yield from _of_store(self._room.store.usage())
        except SourceError:  # a store that is broken hides no other figures
            return


def _of_process(counters: RoomCounters) -> Iterator[Metric]:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

    from maskinfer import __version__

    info = GaugeMetricFamily("maskinfer_info", "The version that runs.", labels=["version"])
    info.add_metric([__version__], 1)
    yield info
    since_s = counters.started_at.timestamp()
    yield GaugeMetricFamily("maskinfer_start_time_seconds", "When the watch began, in Unix time.", since_s)
    models = HistogramMetricFamily("maskinfer_model_seconds", "Time of the models for a batch of frames.")
    _add(models, [], counters.models)
    yield models
    waiting = GaugeMetricFamily("maskinfer_outbox_waiting", "Records that wait for a receiver.", labels=["receiver"])
    for name, count in counters.waiting.items():
        waiting.add_metric([name], count)
    yield waiting
    lost = CounterMetricFamily(
        "maskinfer_outbox_lost", "Records that a receiver refused, or that could not be kept.", labels=["receiver"]
    )
    for name, count in counters.lost.items():
        lost.add_metric([name], count)
    yield lost


def _of_states(cameras: Iterable[CameraState]) -> Iterator[Metric]:
    from prometheus_client.core import GaugeMetricFamily

    states = GaugeMetricFamily("maskinfer_camera_state", "1 for the state it is in.", labels=["camera", "state"])
    rate = GaugeMetricFamily("maskinfer_frame_rate", "Frames a second that got a result lately.", labels=["camera"])
    last = GaugeMetricFamily("maskinfer_last_frame_time_seconds", "When its last frame came.", labels=["camera"])
    faces = GaugeMetricFamily("maskinfer_faces_now", "Faces before it now.", labels=["camera", "label"])
    in_zone = GaugeMetricFamily(
        "maskinfer_zone_faces_now", "Faces in its zone now.", labels=["camera", "zone", "label"]
    )
    moved = GaugeMetricFamily(
        "maskinfer_camera_drift_psi",
        "How far it no longer looks as it did: the population stability index of what moved, 0 for what did not.",
        labels=["camera", "what"],
    )
    for camera in cameras:
        if camera.drift is not None and camera.drift.state in ("as before", "moved"):
            shifts = {shift.what: shift.psi for shift in camera.drift.shifts}
            for what in WHATS:
                moved.add_metric([camera.name, what], shifts.get(what, 0.0))
        for state in _STATES:
            states.add_metric([camera.name, state], float(state == camera.state))
        rate.add_metric([camera.name], camera.fps)
        if camera.age_s is not None:
            last.add_metric([camera.name], time.time() - camera.age_s)
        for label, count in camera.faces.items():
            faces.add_metric([camera.name, label], count)
        for zone, labels in camera.zone_faces.items():
            for label, count in labels.items():
                in_zone.add_metric([camera.name, zone, label], count)
    yield from (states, rate, last, faces, in_zone, moved)


def _of_cameras(cameras: Mapping[str, CameraCounters]) -> Iterator[Metric]:
    from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily

    frames = CounterMetricFamily("maskinfer_frames", "Frames that got a result.", labels=["camera"])
    dropped = CounterMetricFamily(
        "maskinfer_frames_dropped", "Frames that newer ones replaced before they were looked at.", labels=["camera"]
    )
    returns = CounterMetricFamily("maskinfer_reconnections", "Returns of a camera that was lost.", labels=["camera"])
    faces = CounterMetricFamily("maskinfer_faces", "Faces found, in all frames.", labels=["camera", "label"])
    ages = HistogramMetricFamily(
        "maskinfer_result_age_seconds", "From the arrival of a frame to its result.", labels=["camera"]
    )
    for name, counted in cameras.items():
        frames.add_metric([name], counted.frames)
        dropped.add_metric([name], counted.dropped)
        returns.add_metric([name], counted.returns)
        for label, count in counted.faces.items():
            faces.add_metric([name, label], count)
        _add(ages, [name], counted.ages)
    yield from (frames, dropped, returns, faces, ages)


def _of_people(counted: Mapping[str, CameraCounters], states: Sequence[CameraState]) -> Iterator[Metric]:
    """Count people from 0: what happens first would be no increase of a figure that was not there before."""
    from prometheus_client.core import CounterMetricFamily

    people = CounterMetricFamily("maskinfer_visits", "Visits that ended.", labels=["camera", "label"])
    wrong = CounterMetricFamily("maskinfer_violations", "Violations that began.", labels=["camera", "zone", "label"])
    visits = {(state.name, label): 0 for state in states for label in (*camera_labels([state]), UNCERTAIN)}
    violations = {(state.name, *key): 0 for state in states for key in _possible(state)}
    for name, camera in counted.items():
        visits |= {(name, label): count for label, count in camera.visits.items()}
        violations |= {(name, *key): count for key, count in camera.violations.items()}
    for labels, count in visits.items():
        people.add_metric(list(labels), count)
    for names, count in violations.items():
        wrong.add_metric(list(names), count)
    yield from (people, wrong)


def _possible(camera: CameraState) -> Iterator[tuple[str, str]]:
    """Yield the zone and the label of each violation that may happen before a camera."""
    allowed: dict[str, Sequence[str]] = {zone.name: zone.allowed for zone in camera.zones} or {"": (WITH_MASK,)}
    for zone, labels in allowed.items():
        yield from ((zone, label) for label in camera_labels([camera]) if label not in labels)


def _of_store(usage: StoreUsage) -> Iterator[Metric]:
    from prometheus_client.core import GaugeMetricFamily

    size = GaugeMetricFamily("maskinfer_store_bytes", "What the store takes of the disk.", labels=["kind"])
    count = GaugeMetricFamily("maskinfer_store_entries", "What the store holds.", labels=["kind"])
    for kind, taken in (
        ("events", usage.events_bytes),
        ("pictures", usage.pictures_bytes),
        ("recordings", usage.recordings_bytes),
    ):
        size.add_metric([kind], taken)
    for kind, number in (("visits", usage.visits), ("pictures", usage.pictures), ("recordings", usage.recordings)):
        count.add_metric([kind], number)
    yield from (size, count)
    yield GaugeMetricFamily("maskinfer_disk_free_bytes", "Left on the disk of the store.", usage.free_bytes)


def _add(family: HistogramMetricFamily, labels: list[str], seen: Distribution) -> None:
    total, buckets = 0, []
    for bound, count in zip((*seen.bounds_s, float("inf")), seen.counts, strict=True):
        total += count
        buckets.append(("+Inf" if bound == float("inf") else str(bound), float(total)))
    family.add_metric(labels, buckets, seen.sum_s)
