"""What the commands are made of: options that reach a command as dataclasses, help under headings, common types."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeVar

import click
from click.core import ParameterSource

from maskinfer.engine.errors import MissingExtraError, nothing_begun
from maskinfer.engine.files.atomic import check_writable
from maskinfer.engine.files.places import STDOUT, make_folder, refuse_data, refuse_media, refuse_overwriting
from maskinfer.engine.files.urls import is_url

if TYPE_CHECKING:
    from maskinfer.engine.jobs.summary import JobSummary

_F = TypeVar("_F", bound=Callable[..., Any])
PATH = click.Path(path_type=Path)
PATH_OR_URL = click.Path(path_type=str)
_TRAIN_PACKAGES = {"torch", "torchvision", "onnx", "onnxscript", "sklearn", "matplotlib", "yaml"}
_HEIGHTS = {480: 854, 720: 1280, 1080: 1920, 1440: 2560, 2160: 3840}
FRAME_SIZES = ", ".join(f"{height}p" for height in _HEIGHTS)
_SECONDS = {"s": 1, "m": 60, "h": 3600}


class Number(click.FloatRange):
    """A number in a range; neither infinite nor NaN, which no comparison keeps out."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number that was written.

        Raises:
            click.BadParameter: it is none, or outside of the range.
        """
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


SHARE = Number(0, 1, min_open=True, max_open=True)


class Output(click.Path):
    """A path that a command writes to; a parameter with any other ``click.Path`` is read.

    Args:
        kind: what is written there; ``job`` for outputs of jobs over images and videos, which check them further.
        path_type: of the value, as of ``click.Path``.
        takes_urls: a URL may be named, which stays a string.
    """

    def __init__(
        self,
        kind: Literal["file", "text", "folder", "job"],
        path_type: type[str] | type[Path] = Path,
        takes_urls: bool = False,
    ):
        super().__init__(path_type=path_type)
        self.kind, self.takes_urls = kind, takes_urls

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Refuse an empty name, as of a shell's variable that is not set; it would be the current folder."""
        if value == "":
            self.fail("the name is empty", param, ctx)
        if self.takes_urls and isinstance(value, str) and is_url(value):
            return value
        return super().convert(value, param, ctx)


class Model(click.types.StringParamType):
    """A model's name, or the path of its file, which is read."""


MODEL = Model()


def check_outputs(ctx: click.Context) -> None:
    """Check, before a command begins, that its outputs overwrite nothing that it reads, and that they can be written.

    Raises:
        RequestError: one is an input, or another one. OutputError: one cannot be written.
    """
    given = [(param.type, path) for param in ctx.command.params for path in _paths(ctx.params.get(param.name or ""))]
    inputs = [path for kind, path in given if isinstance(kind, (click.Path, Model)) and not isinstance(kind, Output)]
    written = [(kind.kind, path) for kind, path in given if isinstance(kind, Output)]
    files = [path for kind, path in written if kind in ("file", "text")]
    refuse_overwriting(files, inputs, folders=[path for kind, path in written if kind == "folder"])
    refuse_data(files, inputs)
    refuse_media(path for kind, path in written if kind == "text")
    for kind, path in written:
        if kind == "job" and not is_url(str(path)):
            refuse_overwriting([path], inputs)
    for kind, path in written:
        if kind == "folder" and Path(path).exists():
            with nothing_begun():
                make_folder(Path(path))
        elif kind in ("file", "text") and path != STDOUT:
            check_writable(Path(path))


def _paths(value: object) -> list[str | Path]:
    values = value if isinstance(value, tuple) else (value,)
    return [one for one in values if isinstance(one, (str, Path))]


class Command(click.Command):
    """A command that checks its outputs first, and whose help lists options under the headings of their groups."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; see ``click.Command``."""
        check_outputs(ctx)
        return super().invoke(ctx)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options; see ``click.Command``."""
        write_options(self, ctx, formatter)


def write_options(command: click.Command, ctx: click.Context, formatter: click.HelpFormatter) -> None:
    """Write the command's own options first, then those of each group under its heading."""
    sections: dict[str, list[tuple[str, str]]] = {"Options": []}
    for param in command.get_params(ctx):
        record = param.get_help_record(ctx)
        if record is not None and record[1]:  # arguments are described in the command's text
            sections.setdefault(getattr(param, "heading", "Options"), []).append(record)
    for heading, records in sections.items():
        with formatter.section(heading):
            formatter.write_dl(records)


class _GroupedOption(click.Option):
    """An option of a group, which stands under the group's heading."""

    heading = ""


def grouped(name: str, kind: type, heading: str, *options: Callable[[_F], _F]) -> Callable[[_F], _F]:
    """Return a decorator that gives a command a group of options, which reach it as one frozen dataclass.

    Past this point nothing is looked up by a string, so mypy sees every use.

    Args:
        name: of the command's parameter that takes the dataclass.
        kind: the dataclass; its fields are named as the options' values are.
        heading: under which the options stand in the command's help.
        options: from ``option``.
    """

    def decorate(command: Any) -> Any:
        @wraps(command)
        def call(*args: Any, **values: Any) -> Any:
            own = {field.name: values.pop(field.name) for field in fields(kind)}
            return command(*args, **values, **{name: kind(**own)})

        decorated: Any = call
        for add in reversed(options):
            decorated = add(decorated)
        for param in decorated.__click_params__[-len(options) :]:
            param.heading = heading
        return decorated

    return decorate


def option(*names: str, **attributes: Any) -> Callable[[_F], _F]:
    """Return an option of a group; as ``click.option``."""
    return click.option(*names, cls=_GroupedOption, **attributes)


def is_given(name: str) -> bool:
    """Tell whether the user set an option of the command that runs, rather than left it at its default."""
    return click.get_current_context().get_parameter_source(name) not in (None, ParameterSource.DEFAULT)


def refuse(kind: type | Sequence[str], reason: str) -> None:
    """Refuse options that were given although they would do nothing.

    Args:
        kind: the options' names, or the dataclass of their group.
        reason: why they would do nothing, and what to do.
    """
    names = [field.name for field in fields(kind)] if isinstance(kind, type) else kind
    for param in click.get_current_context().command.params:
        if param.name in names and is_given(param.name):
            raise click.UsageError(f"{param.opts[0]} would do nothing: {reason}")


def given_values(*groups: Any) -> dict[str, Any]:
    """Return those values of option groups that the user set, by name."""
    return {
        field.name: getattr(group, field.name) for group in groups for field in fields(group) if is_given(field.name)
    }


def read_size(_ctx: click.Context, _param: click.Parameter, value: str | None) -> tuple[int, int] | None:
    """Read ``640`` or ``640x384``."""
    if value is None:
        return None
    try:
        sides = [int(side) for side in value.lower().split("x")]
    except ValueError:
        sides = []
    if len(sides) not in (1, 2):
        raise click.BadParameter(f"{value!r} is not a size: expected 640 or 640x384 (width x height)")
    return sides[0], sides[-1]


def read_duration(_ctx: click.Context, _param: click.Parameter, value: str | None) -> float | None:
    """Read ``90``, ``90s``, ``10m`` or ``1h`` as seconds."""
    if value is None:
        return None
    try:
        seconds = float(value.rstrip("smh")) * _SECONDS.get(value[-1:], 1)
    except ValueError:
        seconds = float("nan")
    if not 0 < seconds < float("inf"):
        raise click.BadParameter(f"{value!r} is not a time: expected seconds, or as 90s, 10m, 1h")
    return seconds


def read_frame_size(_ctx: click.Context, _param: click.Parameter, value: str) -> tuple[int, int]:
    """Read ``1080p`` or ``1920x1080``; both sides are even, as H.264 has them."""
    if (height := re.fullmatch(r"(\d+)p", value)) and int(height[1]) in _HEIGHTS:
        return _HEIGHTS[int(height[1])], int(height[1])
    sides = re.fullmatch(r"(\d+)x(\d+)", value)
    if sides is None or any(int(side) < 64 or int(side) % 2 for side in sides.groups()):
        raise click.BadParameter(f"{value!r} is not a size: expected {FRAME_SIZES}, or even WIDTHxHEIGHT from 64")
    return int(sides[1]), int(sides[2])


def read_ms(_ctx: click.Context, _param: click.Parameter, value: str) -> float:
    """Read ``200ms``, ``200`` or ``0.2s`` as milliseconds."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s)?", value)
    if found is None or float(found[1]) <= 0:
        raise click.BadParameter(f"{value!r} is not a time: expected as 200ms or 0.2s")
    return float(found[1]) * (1e3 if found[2] == "s" else 1)


def read_shares(_ctx: click.Context, _param: click.Parameter, values: Sequence[str]) -> dict[str, float] | None:
    """Read ``NAME=SHARE`` options; None when there are none."""
    shares: dict[str, float] = {}
    for text in values:
        name, _, share = text.partition("=")
        try:
            shares[name] = float(share)
        except ValueError:
            raise click.BadParameter(f"{text!r}: expected NAME=SHARE, as correct=0.3") from None
    return shares or None


@contextmanager
def benchmark_extra() -> Iterator[None]:
    """Turn a missing package into the error that names the extra which has it."""
    try:
        yield
    except ImportError as error:
        package = (error.name or "").split(".")[0]
        if package == "matplotlib":
            raise MissingExtraError(package, "benchmark") from error
        if package in _TRAIN_PACKAGES:
            raise MissingExtraError(package, "train") from error
        raise


@contextmanager
def train_extra() -> Iterator[None]:
    """Turn a missing package of the ``[train]`` extra into the error that names the extra."""
    try:
        yield
    except ImportError as error:
        if (error.name or "").split(".")[0] in _TRAIN_PACKAGES:
            raise MissingExtraError(str(error.name), "train") from error
        raise


def exit_with(summary: JobSummary) -> NoReturn:
    """Leave the command with the exit code of what the job did."""
    code = 128 + summary.signal if summary.signal else 1 if summary.problems else 0
    click.get_current_context().exit(code)
