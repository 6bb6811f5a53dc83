"""The options of the models: which ones, where they run, which labels count, and how faces are followed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import click

from maskinfer.commands.options import MODEL, SHARE, Number, grouped, is_given, option, read_size, refuse

if TYPE_CHECKING:
    from maskinfer.engine.engine import Engine
    from maskinfer.engine.faces.track import TrackOptions


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """Which models to run, where, and which of their labels count; see ``engine.load.load``."""

    preset: str
    provider: str
    detector: str
    detector_kind: str | None
    classifier: str
    det_threshold: float | None
    det_size: tuple[int, int] | None
    uncertain_below: float | None
    min_face_px: float
    min_sharpness: float
    threads: int | None
    profile: bool

    def open(self, *, is_recording: bool = False, max_error: float | None = None, decoder: str = "cpu") -> Engine:
        """Open the engine.

        Args:
            is_recording: look at as many frames at a time as gives most of them a second.
            max_error: greatest share of wrong labels, by the classifier's contract; None for no limit.
            decoder: of recordings.
        """
        from maskinfer.engine.load import load, ways_here

        arguments = {**self.arguments(max_error), "decoder": decoder}
        return load(**arguments, lanes=ways_here(**arguments)[0].lanes if is_recording else 1)

    def arguments(self, max_error: float | None) -> dict[str, Any]:
        """Return the arguments of ``engine.load.load``, but for the lanes."""
        from maskinfer.engine.faces.quality import Gate

        if not is_given("detector"):
            refuse(("detector_kind",), "the default detector states its kind; name your own with --detector")
        self._check_preset()
        return {
            "preset": self.preset,
            "use_profile": self.profile,
            "detector": self.detector,
            "classifier": self.classifier,
            "provider": self.provider,
            "threads": self.threads,
            "detector_kind": self.detector_kind,
            "det_threshold": self.det_threshold,
            "det_size_wh": self.det_size,
            "uncertain_below": self.uncertain_below,
            "max_error": max_error,
            "gate": Gate(self.min_face_px, self.min_sharpness),
        }

    def _check_preset(self) -> None:
        """Tell what of a preset that was given does not hold, because something else was given too."""
        from maskinfer.engine.presets import PRESETS

        preset = PRESETS[self.preset]
        if not is_given("preset"):
            return
        if "auto" not in (self.detector, self.classifier):
            raise click.UsageError("--preset would do nothing: detector and classifier are named")
        for task, named, standard, looks_often in (
            ("detector", self.detector, preset.detector, bool(preset.views)),
            ("classifier", self.classifier, preset.classifier, preset.mirrored),
        ):
            once, often = (" looking once", " looking several times") if looks_often else ("", "")
            if named != "auto":
                click.echo(
                    f"preset {self.preset}: the {task} is {named}{once}, not {standard}{often}, as you said", err=True
                )

    def with_model(self, model: str) -> EngineOptions:
        """Return the options with a model as the detector or the classifier that it is, by its own word."""
        from maskinfer.engine.catalog.find import task_of

        task = task_of(model)
        if is_given(task):
            raise click.UsageError(f"{model} is a {task}: leave out --{task}, or MODEL")
        return replace(self, detector=model) if task == "detector" else replace(self, classifier=model)


PRESET_NAMES = ("fast", "balanced", "accurate")

engine_options = grouped(
    "models", EngineOptions, "Models",
    option("--preset", type=click.Choice(PRESET_NAMES), default="balanced", show_default=True,
           help="Which models auto stands for, and how often they look: fast is less accurate, accurate looks at each "
                "picture in three sizes and at each face twice, which takes several times as long. What you name "
                "yourself counts more."),
    option("--provider", default="auto", show_default=True, metavar="NAME",
           help="Execution provider: auto, cpu, cuda, openvino, openvino-bf16, ... With auto, the one of `maskinfer "
                "tune` if it was run here, otherwise cuda if the installed onnxruntime has it, else cpu. A provider "
                "that you name is used, or the command fails."),
    option("--detector", type=MODEL, default="auto", show_default=True, metavar="NAME|FILE",
           help="Face detector: a name from `maskinfer models list`, insightface:PACK (for non-commercial research "
                "only), or an ONNX file. With auto, the preset's: retinaface-mask, in int8 if the CPU has AVX2."),
    option("--detector-kind", type=click.Choice(["retinaface", "scrfd"]),
           help="Kind of a detector file that carries no contract; insightface's own files are scrfd."),
    option("--classifier", type=MODEL, default="auto", show_default=True, metavar="NAME|FILE",
           help="Mask classifier: a name from `maskinfer models list`, or an ONNX file. With auto, the "
                "preset's: mobilenetv2-128 or, fast, mobilenetv2-small-112, in int8 if the CPU has AVX2."),
    option("--det-threshold", type=SHARE, metavar="SCORE",
           help="Lowest score of a face that counts; by default the models' own threshold."),
    option("--det-size", callback=read_size, metavar="PIXELS",
           help="Scale frames to fit into this size, as 640 or 640x384; by default the detector's own size."),
    option("--uncertain-below", type=Number(0, 1, max_open=True), metavar="SCORE",
           help="Label a face uncertain if its score is lower; by default the classifier's own threshold."),
    option("--min-face-px", type=Number(0), default=0.0, metavar="PIXELS",
           help="Label a face uncertain if its shorter side is smaller; off by default."),
    option("--min-sharpness", type=Number(0), default=0.0, metavar="NUMBER",
           help="Label a face uncertain if it is more blurred: 9 rejects blots, clear faces have about 13. Off by "
                "default."),
    option("--threads", type=click.IntRange(1), metavar="N",
           help="CPU threads for the models; by default all that are available."),
    option("--profile/--no-profile", default=True, show_default=True,
           help="Let auto be the fastest way that `maskinfer tune` found on this machine, if it was run. What you name "
                "yourself counts more."),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class TrackingOptions:
    """How faces are followed from frame to frame."""

    track: bool
    classify_every: int
    detect_every: int | None

    def read(self, *, every_frame: bool) -> TrackOptions | None:
        """Return how faces are followed; None for frames on their own.

        Args:
            every_frame: the detector is to look at every frame, if the user does not say otherwise.
        """
        from maskinfer.engine.faces.track import TrackOptions

        if self.track:
            return TrackOptions(
                classify_every=self.classify_every, detect_every=self.detect_every or (1 if every_frame else None)
            )
        refuse(("classify_every", "detect_every"), "with --no-track every frame is looked at on its own")
        return None


tracking_options = grouped(
    "tracking", TrackingOptions, "Tracking",
    option("--track/--no-track", default=True, show_default=True,
           help="Follow faces from frame to frame: a face keeps its id, and its label does not flicker."),
    option("--classify-every", type=click.IntRange(1), default=3, show_default=True, metavar="N",
           help="Classify a face that is tracked and certain in every Nth frame only, or the next that the detector "
                "looks at, but at least every 0.2 s; one that stays uncertain in every second one."),
    option("--detect-every", type=click.IntRange(1), metavar="N",
           help="Run the detector on every Nth frame only; between them faces keep their motion. By default about 15 "
                "times a second in recordings, with --preset fast at live sources too; on every frame with --preset "
                "accurate, and where faces are blurred."),
)  # fmt: skip

# Those of sources.decoder.DECODERS, which is not imported for --help; a test compares them.
DECODER_NAMES = ("cpu", "cuda", "vaapi", "videotoolbox", "d3d11va", "vulkan")
DECODER_OPTION = click.option(
    "--decoder", type=click.Choice(DECODER_NAMES), default="cpu", show_default=True,
    help="Decode the videos on the CPU or by this hardware, which is then used or reported as not working.",
)  # fmt: skip

MAX_ERROR_OPTION = click.option(
    "--max-error", type=SHARE, metavar="SHARE",
    help="Label faces uncertain so that at most this share of the other labels is wrong, according to the calibration "
         "in the classifier's file. Cannot be combined with --uncertain-below. Off by default.",
)  # fmt: skip
