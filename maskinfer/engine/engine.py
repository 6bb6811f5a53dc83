"""The engine: finds the faces of frames and labels them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import overload

from maskinfer.engine.contract import FaceCheck
from maskinfer.engine.faces.classify import classify
from maskinfer.engine.faces.frame_result import FrameState, Rules, frame_result
from maskinfer.engine.faces.protocols import ContractClassifier, PictureDetector
from maskinfer.engine.faces.quality import Gate
from maskinfer.engine.faces.track import TrackOptions
from maskinfer.engine.faces.tracker import Look, Tracker, tracked
from maskinfer.engine.flow.between import put_in_between
from maskinfer.engine.flow.overlap import batched, in_lanes, prefetch
from maskinfer.engine.flow.stages import stage
from maskinfer.engine.frames.frame import Frame
from maskinfer.engine.frames.picture import Picture
from maskinfer.engine.results import Detections, FrameResult
from maskinfer.engine.sharing import shared
from maskinfer.engine.sources.camera import is_live
from maskinfer.engine.sources.decoder import CPU
from maskinfer.engine.sources.live import FeedOptions
from maskinfer.engine.sources.open import open_source
from maskinfer.engine.sources.still import ImageLike, open_still

_READ_AHEAD_FRAMES = 4


@dataclass(frozen=True, slots=True)
class ModelsInLanes:
    """The same models once more, for recordings: each lane's runs take one share of the threads.

    Attributes:
        detector, classifier: those that they are the same as.
        lanes: frames that are looked at at the same time.
        batch_frames: frames that share a run of the detector.
        open: opens them, once.
    """

    detector: PictureDetector
    classifier: ContractClassifier
    lanes: int
    batch_frames: int
    open: Callable[[], tuple[PictureDetector, ContractClassifier]]


@dataclass(frozen=True, slots=True)
class Engine:
    """A detector and a classifier, working together.

    Several threads may call it at the same time; calls do not affect each other.

    Attributes:
        detector: finds faces.
        classifier: labels them.
        gate: how large and sharp a face must be to get a label.
        threads: CPU threads that a job with this engine may use.
        lanes: frames of a video that are processed at the same time, each with its own runs of the models.
        face_check: how the classifier has a say in what is a face; None where the detector alone decides.
        for_recordings: opens the models that ``follow`` uses for recordings; None to use those above.
        decoder: of recordings, one of ``sources.decoder.DECODERS``.
        batch_frames: frames of a recording that share a run of the detector.
        codec_threads: of a recording's decoder, and of its encoder; None for half of the threads.
        looks_per_s: at live sources whose faces are followed the detector looks about so often a second; None for
            every frame.
        recorded_looks_per_s: the same of recordings, where a face in between is put between where it was seen before
            and after.
    """

    detector: PictureDetector
    classifier: ContractClassifier
    gate: Gate = field(default_factory=Gate)
    threads: int = 1
    lanes: int = 1
    face_check: FaceCheck | None = None
    for_recordings: ModelsInLanes | None = field(default=None, repr=False)
    decoder: str = CPU
    batch_frames: int = 1
    codec_threads: int | None = None
    looks_per_s: float | None = None
    recorded_looks_per_s: float | None = None

    @overload
    def __call__(self, images: ImageLike) -> FrameResult: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(self, images: Sequence[ImageLike]) -> list[FrameResult]: ...
    def __call__(self, images: ImageLike | Sequence[ImageLike]) -> FrameResult | list[FrameResult]:
        """Find and label all faces of an image, or of a list of images.

        Args:
            images: uint8 (height, width, 3), BGR; uint8 (height, width), grey; the path of an image file, which is
                rotated upright according to its EXIF data; a PIL image, whose pixels are used as they are; or a list
                of any of these, of any sizes, whose faces then go through the classifier together.

        Returns:
            One result, or a list with one result for each image. Its ``source`` is the path, or "" if there is none.

        Raises:
            RequestError: the argument is none of these. For videos, folders and cameras use ``iterate``.
            SourceError: a file cannot be read.
        """
        if isinstance(images, (list, tuple)):
            return self.infer([_still(image, i) for i, image in enumerate(images)])
        return self.infer([_still(images, 0)])[0]

    def infer(self, frames: Sequence[Frame], trackers: Sequence[Tracker | None] | None = None) -> list[FrameResult]:
        """Return a result for each frame; the faces of all frames share the classifier's runs.

        Args:
            frames: of one or several sources; the frames of each source in order.
            trackers: for each frame, the tracker of its source; None to treat the frame on its own.
        """
        trackers = trackers or [None] * len(frames)
        return self._label_in_turn(frames, trackers, self._find(_looks(frames, trackers)))

    def follow(
        self, frames: Iterable[Frame], track: TrackOptions | None = None
    ) -> Iterator[list[tuple[Frame, FrameResult]]]:
        """Yield the frames of one source with their results, a few at a time and in order; the detector runs ahead.

        Args:
            frames: in order. If the iterable raises, the results of the frames before are yielded first.
            track: how to follow faces from frame to frame; None for faces on their own.
        """
        engine = self._in_lanes()
        tracker = None if track is None else engine.tracker(track, recorded=True)
        batches = batched(frames, engine.batch_frames)
        for batch, results in engine.follow_all((batch, [tracker] * len(batch)) for batch in batches):
            yield list(zip(batch, results, strict=True))

    def follow_all(
        self, batches: Iterable[tuple[Sequence[Frame], Sequence[Tracker | None]]]
    ) -> Iterator[tuple[Sequence[Frame], list[FrameResult]]]:
        """Yield frames of several recordings with their results, in order; the detector runs ahead.

        Where it does not look at a frame, the faces of that frame wait for the next one that it looks at.

        Args:
            batches: frames that go together, and for each the tracker of its source, as for ``infer``.
        """
        engine = self._in_lanes()
        to_detect = ((frames, trackers, _looks(frames, trackers)) for frames, trackers in batches)
        with shared(engine.classifier, engine.lanes) as classifier:
            by_all = replace(engine, classifier=classifier)
            yield from put_in_between(
                (frames, trackers, [one is Look.COAST for one in found], by_all._label_in_turn(frames, trackers, found))
                for frames, trackers, found in in_lanes(engine._found, to_detect, engine.lanes)
            )

    def threads_of_codecs(self) -> int:
        """Return how many threads a recording's decoder gets, and its encoder."""
        # The models take most of the time of all stages.
        return max(1, self.threads // 2) if self.codec_threads is None else self.codec_threads

    def _in_lanes(self) -> Engine:
        """Return the engine that recordings go through: the same models, opened for lanes."""
        other = self.for_recordings
        if other is None or (other.detector, other.classifier) != (self.detector, self.classifier):
            return self
        detector, classifier = other.open()
        return replace(
            self,
            detector=detector,
            classifier=classifier,
            lanes=other.lanes,
            batch_frames=other.batch_frames,
            for_recordings=None,
        )

    def _label_in_turn(
        self, frames: Sequence[Frame], trackers: Sequence[Tracker | None], found: Sequence[Detections | Look]
    ) -> list[FrameResult]:
        # What a track is by one frame decides whether it is classified in the next: results that did not wait for one
        # another would depend on how many frames go together, which is another matter on each machine.
        results: list[FrameResult] = []
        start = 0
        for end in range(1, len(frames) + 1):
            if end == len(frames) or (trackers[end] is not None and trackers[end] in trackers[start:end]):
                results += self._label(frames[start:end], trackers[start:end], found[start:end])
                start = end
        return results

    def tracker(self, options: TrackOptions, *, recorded: bool = False) -> Tracker:
        """Return what follows the faces of one source.

        Args:
            options: how.
            recorded: the source is a recording, whose frames go through ``follow_all``.
        """
        looks_per_s = self.recorded_looks_per_s if recorded else self.looks_per_s
        return Tracker(options, proposals=self.face_check is not None, looks_per_s=looks_per_s)

    def _found(
        self, one: tuple[Sequence[Frame], Sequence[Tracker | None], list[Picture | Look]]
    ) -> tuple[Sequence[Frame], Sequence[Tracker | None], list[Detections | Look]]:
        return one[0], one[1], self._find(one[2])

    def _find(self, looks: Sequence[Picture | Look]) -> list[Detections | Look]:
        """Return the faces of each picture; where the detector is not to run, why."""
        found = iter(self.detector([one for one in looks if not isinstance(one, Look)]))
        return [one if isinstance(one, Look) else next(found) for one in looks]

    def _label(
        self, frames: Sequence[Frame], trackers: Sequence[Tracker | None], found: Sequence[Detections | Look]
    ) -> list[FrameResult]:
        with stage("track"):
            seen = [self._select_faces(*one) for one in zip(frames, found, trackers, strict=True)]
        predictions = classify(self.classifier, self.face_check, seen)
        with stage("track"):
            rules = Rules(self.classifier, self.gate, self.face_check)
            return [frame_result(state, predictions[k], rules) for k, state in enumerate(seen)]

    def iterate(
        self, source: str | Path, *, track: TrackOptions | None = None, reading: FeedOptions | None = None
    ) -> Iterator[FrameResult]:
        """Yield a result for every frame of an image, a folder of images, a video file, a URL or a camera index.

        A recording is read ahead in a thread, and its frames are processed in the engine's lanes, as the command
        ``video`` does. A live source yields its newest frame each time and is reconnected when it is lost, as the
        command ``stream`` does.

        Args:
            source: what to read.
            track: how to follow faces, and on which frames the detector looks; None for each frame on its own.
            reading: how to read a live source.

        Raises:
            SourceError: the source cannot be read to its end; raised after the results of the frames before.
        """
        threads = self.threads_of_codecs()
        with open_source(source, reading=reading, threads=threads, decoder=self.decoder) as frames:
            if is_live(str(source)):
                tracker = None if track is None else self.tracker(track)
                for frame in frames:
                    yield from self.infer([frame], [tracker])
                return
            with prefetch(frames, _READ_AHEAD_FRAMES, "reader") as ahead:
                for batch in self.follow(ahead, track):
                    yield from (result for _, result in batch)

    def _select_faces(self, frame: Frame, found: Detections | Look, tracker: Tracker | None) -> FrameState:
        """Choose the faces that are to be classified: all but those of tracks that are certain."""
        coasts = found is Look.COAST
        checked = coasts or self.face_check is None
        found, tracks = tracked(found, frame.time_s, tracker)
        # Where a face is while the detector does not look is a guess, which would say less of it.
        asked = [] if coasts else enumerate(tracks)
        chosen = [i for i, track in asked if tracker is None or track is None or tracker.wants(track)]
        for i, track in enumerate(tracks):
            if track is not None:
                track.note(will_classify=i in chosen)
        return FrameState(frame, found, tracks, chosen, tracker, checked)


def _still(image: object, index: int) -> Frame:
    source, picture = open_still(image)
    return Frame(source, index, 0.0, picture)


def _looks(frames: Sequence[Frame], trackers: Sequence[Tracker | None]) -> list[Picture | Look]:
    """Return the picture of each frame that the detector is to run on; of the others, how their faces are found."""
    looks: list[Picture | Look] = []
    for frame, tracker in zip(frames, trackers, strict=True):
        look = Look.DETECT if tracker is None else tracker.next_frame(frame.picture, frame.time_s)
        looks.append(frame.picture if look is Look.DETECT else look)
    return looks
