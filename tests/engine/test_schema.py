from __future__ import annotations

import gc
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from maskinfer.engine.contract import ClassifierContract, DetectorContract
from maskinfer.engine.records import FrameRecord
from maskinfer.engine.schema import from_json, from_plain, json_schema, parse_json
from tests.conftest import ROOT


@dataclass(frozen=True, slots=True)
class Part:
    """A part.

    Attributes:
        side: in ``px``, which is
            said over two lines.
        other: of another kind.
    """

    side: Annotated[int, Meta(ge=1)] = 1
    other: Literal["a", "b"] | None = None


@dataclass(frozen=True, slots=True)
class Whole:
    parts: Mapping[str, Part] = field(default_factory=dict)
    both: float | Annotated[tuple[float, ...], Meta(min_length=2, max_length=3)] = 0.0

    def __post_init__(self) -> None:
        if len(self.parts) > 2:
            raise ValueError("more than two parts")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "it is [], expected names and values"),
        ({"parts": {"a": {}, "b": {"side": 0}}}, "parts.b.side is 0, expected a whole number of 1 or more"),
        ({"parts": {"a": {"other": "c"}}}, "parts.a.other is 'c', expected one of a, b"),
        ({"parts": {"a": 1, "b": {"side": 0}}}, "parts.a is 1, expected names and values"),
        ({"parts": {"a.b": {"sides": 1}}}, "unknown field 'sides' in parts.a.b, did you mean 'side'?"),
        ({"parts": {"\x1b[2J": 1}}, "parts['\\x1b[2J'] is 1, expected names and values"),
        ({"parts": {"x" * 10**6: {"sides": 1}}}, "unknown field 'sides' in parts['xxx"),
        ({"parts": {1: {}}}, "the names in parts are not all text"),
        ({"parts": {"a": {}, "b": {}, "c": {}}}, "more than two parts"),
        ({"both": [1]}, "both is [1], expected a number or a list of 2 to 3"),
        ({"both": [1, float("nan")]}, "both[1] is nan, expected a number"),
        ({"both": "x" * 1000}, "..."),
    ],
)
def test_what_does_not_fit_is_said(data: Any, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        from_plain(data, Whole)
    assert len(str(caught.value)) < 250


def test_an_open_type_leaves_out_what_it_does_not_know() -> None:
    assert from_plain({"parts": {"a": {"more": 1}}, "most": 2}, Whole, closed=False) == Whole({"a": Part()})


def test_docstrings_describe_the_fields() -> None:
    part = json_schema(Whole)["$defs"]["Part"]
    assert part["description"] == "A part."
    assert part["properties"]["side"]["description"] == "In px, which is said over two lines."
    assert part["additionalProperties"] is False


def test_json_that_is_nested_too_deeply_is_refused() -> None:
    for text in ("[" * 200_000, '{"a":' * 200_000):
        with pytest.raises(ValueError, match="nested too deeply"):
            parse_json(text)
        with pytest.raises(ValueError, match="nested too deeply"):
            from_json(text, FrameRecord)


def test_a_line_that_is_no_record_says_where() -> None:
    face = {"bbox": [1, 2, 3], "det_score": 1, "landmarks": None, "label": "a", "score": 1, "scores": {}}
    line = {"source": "a", "frame": 0, "time_s": 0, "width": 1, "height": 1, "faces": [face], "later": 1}
    with pytest.raises(ValueError, match=r"^faces\[0\].bbox is \[1, 2, 3\], expected a list of 4$"):
        from_json(json.dumps(line), FrameRecord)
    face["bbox"] = [1, 2, 3, 4]
    assert from_json(json.dumps(line), FrameRecord) == {key: line[key] for key in line if key != "later"}
    face["score"] = float("nan")
    with pytest.raises(ValueError, match=r"^faces\[0\].score is nan, expected a number from 0 to 1$"):
        from_json(json.dumps(line), FrameRecord)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@given(name=st.sampled_from(sorted(json_schema(ClassifierContract)["$defs"]["ClassifierContract"]["properties"])),
       value=JSON, kind=st.sampled_from([ClassifierContract, DetectorContract]))  # fmt: skip
def test_whatever_a_file_holds_is_read_or_refused_in_one_line(name: str, value: Any, kind: Any) -> None:
    said = {"name": "a", "version": "1", "licence": "", "labels": ["a", "b"], "size_wh": [1, 1], "kind": "scrfd"}
    known = json_schema(kind)["$defs"][kind.__name__]["properties"]
    data = {key: item for key, item in {**said, name: value}.items() if key in known}
    said_of_it = ""
    try:
        assert isinstance(from_plain(data, kind), kind)
    except ValueError as error:
        said_of_it = str(error)
    assert "\n" not in said_of_it
    assert not said_of_it.startswith(("Expected", "Object", "Invalid"))


def test_the_committed_schemas_are_the_generated_ones() -> None:
    from tools.schemas import schemas

    folder = ROOT / "maskinfer" / "schemas"
    generated = schemas()
    gc.collect()  # where a type that msgspec cannot hold crashes
    assert generated == {file.name: file.read_text(encoding="utf-8") for file in folder.iterdir()}, (
        "run  python -m tools.schemas"
    )


@dataclass(frozen=True, slots=True)
class MaybePart:
    """What has a part, or none.

    Attributes:
        part: of it.
    """

    part: Part | None = None


def test_an_unknown_field_of_a_part_that_may_be_left_out_is_refused() -> None:
    assert from_plain({"part": None}, MaybePart) == from_plain({}, MaybePart) == MaybePart()
    assert from_plain({"part": {"side": 3}}, MaybePart).part == Part(3)
    with pytest.raises(ValueError, match="unknown field 'sides' in part, did you mean 'side'"):
        from_plain({"part": {"side": 3, "sides": 1}}, MaybePart)
