"""The lines of JSON that maskinfer writes, as types: the schemas are generated from them, and what is read is checked.

The functions that fill them are ``FrameResult.to_dict`` and ``Event.to_dict``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, TypedDict

from msgspec import Meta

from maskinfer.engine.schema import Count, Index, NotNegative, Share

Bare = Literal["nose", "nose_and_mouth"]
EventKind = Literal["appeared", "settled", "changed", "left"]
LeftCause = Literal["not seen", "camera lost", "stopped"]
CameraEventKind = Literal["camera_lost", "camera_back"]
Box = Annotated[list[float], Meta(min_length=4, max_length=4)]
Point = Annotated[list[float], Meta(min_length=2, max_length=2)]
Landmarks = Annotated[list[Point], Meta(min_length=5, max_length=5)]


class _FaceRecord(TypedDict):
    bbox: Box
    det_score: Share
    landmarks: Landmarks | None
    label: str
    score: Share
    scores: Mapping[str, Share]


class FaceRecord(_FaceRecord, total=False):
    """One face.

    Attributes:
        bbox: left, top, right, bottom in pixels; may reach past the frame's borders.
        det_score: the detector's score.
        landmarks: x, y in pixels of the eye on the image's left, the eye on its right, the nose tip, the left and the
            right corner of the mouth; null when the detector gives none.
        label: with_mask, without_mask or incorrect_mask from the shipped classifiers; uncertain when the score is under
            the threshold, or the face is too small or too blurred by what was asked for.
        score: probability of the most probable label.
        scores: the probability of every label.
        track_id: the same for one face in all frames of its source; label, score and scores are then those of all its
            frames together. Left out where faces are not followed.
        sharpness: how much detail the face shows, whatever its size and light: blots have under 9, clear faces 13 and
            more; of a face that is followed, as it was classified last.
        bare: what a badly worn mask leaves uncovered: nose, or nose_and_mouth; null under every other label, and when
            the classifier does not tell.
    """

    track_id: Count
    sharpness: NotNegative
    bare: Bare | None


Moment = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]


class _FrameRecord(TypedDict):
    source: str
    frame: Index
    time_s: NotNegative
    width: Count
    height: Count
    faces: list[FaceRecord]


class FrameRecord(_FrameRecord, total=False):
    """One line of maskinfer's JSON Lines output: all faces of one image or one frame of a video.

    Attributes:
        source: where the frame came from, as the user named it, without passwords.
        frame: index of the frame in its source, from 0.
        time_s: presentation time in seconds from the source's first frame; 0 for an image.
        width: width of the upright frame in pixels.
        height: height of the upright frame in pixels.
        faces: best detector score first.
        run: of stream: eight hexadecimal digits, the same in all outputs of one run.
        at: of stream: when it was written, in local time with its offset.
    """

    run: str
    at: Moment


class _EventRecord(TypedDict):
    event: EventKind
    source: str
    track_id: Count
    frame: Index
    time_s: NotNegative
    label: str
    score: Share
    previous: str | None
    dwell_s: NotNegative
    bbox: Box
    bare: Bare | None
    cause: LeftCause | None


class EventRecord(_EventRecord, total=False):
    """One line of --events, or one post to --webhook: what happened to one person.

    Attributes:
        event: appeared: seen for long enough to be no flicker. settled: a label was held for long enough. changed:
            another one was. left: not seen any more.
        source: as the user named it, without passwords.
        track_id: who, within the source.
        frame: index of the frame; of left, of the last one in which the face was seen.
        time_s: presentation time of that frame in seconds from the source's first.
        label: settled so far; uncertain before that.
        score: probability of the label in that frame; 0 of uncertain.
        previous: label before a change.
        dwell_s: since the face was first seen, in seconds.
        bbox: left, top, right, bottom in pixels.
        bare: what a badly worn mask left uncovered in that frame: nose, or nose_and_mouth; null under every other
            label, and when the classifier does not tell.
        cause: of left: not seen: the face was not seen for a while. camera lost: the source gave no more frames.
            stopped: the source or the job ended. null for the others.
        id: of this event alone; a webhook has it as Idempotency-Key as well.
        run: the same for all events of one run of a command.
        at: when it was made, in local time with its offset.
        attempt: of a webhook: how often it was posted, this time included.
        crop: with --crops: picture of the face under this label.
    """

    id: str
    run: str
    attempt: Count
    at: Moment
    crop: str | None


class _CameraRecord(TypedDict):
    event: CameraEventKind
    source: str
    reason: str | None


class CameraRecord(_CameraRecord, total=False):
    """One line of --events, or one post to --webhook: what happened to one live source.

    Attributes:
        event: camera_lost: it gives no frames, or cannot be opened at the start, and is tried again. camera_back: it
            gives frames again.
        source: as the user named it, without passwords.
        reason: why it was lost; null for camera_back.
        id: of this event alone; a webhook has it as Idempotency-Key as well.
        run: the same for all events of one run of a command.
        at: when it was made, in local time with its offset.
        attempt: of a webhook: how often it was posted, this time included.
    """

    id: str
    run: str
    attempt: Count
    at: Moment
