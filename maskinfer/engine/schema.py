"""Data from files checked against the types they stand for, and the JSON Schemas of those types.

A type is the only place that says what a file may hold: msgspec converts and checks, ``json_schema`` describes the same
for other programs, and the docstrings' attributes become its descriptions. What a user meets is a message that names
the field, what it holds and what was expected.
"""

from __future__ import annotations

import difflib
import inspect
import json
import math
import re
import reprlib
from collections.abc import Iterator
from functools import cache
from typing import Annotated, Any, TypeVar, cast

import msgspec
from msgspec import Meta

from maskinfer.engine.decoders import json_decoder

Share = Annotated[float, Meta(ge=0, le=1)]
"""A share or a probability."""
Positive = Annotated[float, Meta(gt=0)]
NotNegative = Annotated[float, Meta(ge=0)]
Count = Annotated[int, Meta(ge=1)]
Index = Annotated[int, Meta(ge=0)]
Pixels = Annotated[int, Meta(ge=1, le=16384)]
"""A side of a model's input."""
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}(?!\n)$", title="64 hexadecimal digits in lower case")]

Line = Annotated[
    str, Meta(pattern=r"^[^\x00-\x1f\x7f-\x9f]{0,1000}(?!\n)$", title="one line of text, up to 1000 characters")
]
"""Text that can be shown on a terminal."""

_T = TypeVar("_T")
_Path = tuple[str | int, ...]
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 80
_TYPES = {
    "object": "names and values",
    "array": "a list",
    "string": "text",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "null": "null",
}


class FieldError(ValueError):
    """Data does not fit its type.

    Attributes:
        path: of the field, as names and indices from the top; of one that is missing or unknown with its own name.
    """

    def __init__(self, message: str, path: tuple[str | int, ...]) -> None:
        super().__init__(message)
        self.path = path


def from_plain(data: Any, kind: type[_T], *, closed: bool = True) -> _T:
    """Return plain data, as JSON, TOML or YAML give it, as the type that it stands for.

    Args:
        data: dictionaries, lists, texts, numbers, truth values and None.
        kind: a dataclass or a TypedDict.
        closed: refuse fields that the type does not have; otherwise they are left out.

    Raises:
        FieldError: it does not fit; the message names the field, what it holds and what was expected.
    """
    schema = json_schema(cast("Any", kind))
    for path, value, node in _walk(data, schema, schema["$defs"]):
        if closed and isinstance(value, dict) and "properties" in node:
            _refuse_unknown(path, value, node["properties"])
        if isinstance(value, float) and not math.isfinite(value):
            raise FieldError(f"{_name(path)} is {value!r}, expected {_expected(node, schema['$defs'])}", path)
    try:
        return msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        raise FieldError(*_said(error, data, kind)) from error


def from_json(text: str | bytes, kind: type[_T]) -> _T:
    """Return JSON as the type that it stands for; fields that the type does not have are left out.

    Raises:
        ValueError: as for ``from_plain``, or the text is no JSON.
    """
    try:
        return json_decoder(kind).decode(text)
    except (msgspec.MsgspecError, RecursionError):
        return from_plain(parse_json(text), kind, closed=False)  # which says more


def parse_json(text: str | bytes) -> Any:
    """Return the plain data of a JSON text.

    Raises:
        ValueError: it is none, or nested too deeply.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def parse_toml(text: str) -> dict[str, Any]:
    """Return the plain data of a TOML text.

    Raises:
        ValueError: it is none, or nested too deeply.
    """
    import tomllib  # here, since the engine reads none and the command line is to start at once

    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


@cache
def json_schema(kind: Any) -> dict[str, Any]:
    """Return the JSON Schema of a type (draft 2020-12), which ``$ref`` and ``$defs`` make up.

    What the docstrings say of the attributes is the fields' description, and no other fields are allowed.
    """
    json_decoder(kind)  # which builds it, for all threads
    schema = msgspec.json.schema(kind)
    for definition in schema["$defs"].values():
        if "properties" in definition:
            definition["additionalProperties"] = False
        summary, attributes = _read_docstring(definition.pop("description", ""))
        definition.update({"description": summary} if summary else {})
        for name, node in definition.get("properties", {}).items():
            node.update({"description": attributes[name]} if name in attributes else {})
        _order(definition, list(attributes))
    return schema


def _read_docstring(text: str) -> tuple[str, dict[str, str]]:
    """Return a docstring's first paragraph, and what it says of each attribute."""
    summary, _, rest = inspect.cleandoc(text).replace("``", "").partition("\n\nAttributes:\n")
    entries = re.findall(r"(?m)^ {4}(\w+(?:, \w+)*): (.*(?:\n {8}.*)*)", rest.partition("\n\n")[0])
    said = {name: _sentence(text) for names, text in entries for name in names.split(", ")}
    return _sentence(summary.partition("\n\n")[0]), said


def _order(definition: dict[str, Any], names: list[str]) -> None:
    """Put the fields of a TypedDict, which msgspec sorts by the alphabet, in the docstring's order."""
    fields = definition.get("properties", {})
    if set(fields) <= set(names):
        definition["properties"] = {name: fields[name] for name in names if name in fields}
        definition["required"] = [name for name in names if name in definition["required"]]


def _sentence(text: str) -> str:
    text = " ".join(text.split())
    return text[:1].upper() + text[1:]


def _walk(data: Any, node: dict[str, Any], types: dict[str, Any], path: _Path = ()) -> Iterator[tuple[_Path, Any, Any]]:
    """Yield each value of the data that the schema knows, its path and its part of the schema."""
    node = _resolve(node, types)
    yield path, data, node
    inner = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list | tuple) else ()
    for key, value in inner:
        if below := _below(node, key, types):
            yield from _walk(value, below, types, (*path, key))


def _resolve(node: dict[str, Any], types: dict[str, Any]) -> dict[str, Any]:
    options = [option for option in node.get("anyOf", ()) if option.get("type") != "null"]
    if len(options) == 1:  # what may be left out
        node = options[0]
    return types[node["$ref"].rpartition("/")[2]] if "$ref" in node else node


def _below(node: dict[str, Any], key: object, types: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of what lies under a key of what has this schema; empty when it says nothing of it."""
    for option in node.get("anyOf", [node]):
        option = _resolve(option, types)
        if isinstance(key, int):
            several = option.get("prefixItems", [])
            below = several[key] if key < len(several) else option.get("items")
        else:
            below = option.get("properties", {}).get(key) or option.get("additionalProperties")
        if isinstance(below, dict):
            return below
    return {}


def _refuse_unknown(path: _Path, data: dict[Any, Any], known: dict[str, Any]) -> None:
    unknown = sorted(str(key) for key in data if key not in known)
    if unknown:
        close = difflib.get_close_matches(unknown[0], known, 1)
        where = f" in {_name(path)}" if path else ""
        meant = f", did you mean {close[0]!r}?" if close else f": it may have {', '.join(known)}"
        raise FieldError(f"unknown field {_SHORT.repr(unknown[0])}{where}{meant}", (*path, unknown[0]))


def _said(error: msgspec.ValidationError, data: Any, kind: type) -> tuple[str, _Path]:
    """Return what is wrong, for a user, from what msgspec says and the data; and where."""
    path = _path_of(error, data, kind)
    if error.__cause__ is not None:  # a type's own check
        return str(error.__cause__), path
    found = re.fullmatch(r"Object missing required field `(.*?)`(?: - at .*)?", str(error))
    if found:
        path = (*path, found[1])
        return f"{_name(path)!r} is missing", path
    if "`key`" in str(error):
        return f"the names in {_name(path)} are not all text", path
    node, value, types = json_schema(kind), data, json_schema(kind)["$defs"]
    for key in path:
        node, value = _below(_resolve(node, types), key, types), value[key]
    return f"{_name(path)} is {_SHORT.repr(value)}, expected {_expected(node, types)}", path


def _path_of(error: msgspec.ValidationError, data: Any, kind: type) -> _Path:
    """Return where msgspec found the fault, with the names of a mapping's entries, which it does not say."""
    path: _Path = ()
    said = re.search(r" - at (?:`key` in )?`\$(.*)`$", str(error))
    for name, index in re.findall(r"\.(\w+)|\[(\d+|\.\.\.)\]", said[1] if said else ""):
        key = name or (_entry(error, data, path, kind) if index == "..." else int(index))
        path = (*path, key)
    return path


def _entry(error: msgspec.ValidationError, data: Any, path: _Path, kind: type) -> str:
    """Return the name of the first entry of a mapping that, left alone, makes the same error."""
    container = data
    for key in path:
        container = container[key]
    for name in container:
        try:
            msgspec.convert(_with_only(data, path, name), kind)
        except msgspec.ValidationError as again:
            if str(again) == str(error):
                return str(name)
    return "..."


def _with_only(data: Any, path: _Path, name: str) -> Any:
    if not path:
        return {name: data[name]}
    changed = data.copy()
    changed[path[0]] = _with_only(data[path[0]], path[1:], name)
    return changed


def _name(path: _Path) -> str:
    """Return a path as a reader writes it: ``input.std[1]``."""
    return "".join(map(_step, path)).removeprefix(".") or "it"


def _step(key: str | int) -> str:
    # A name in a file may be as long as the file, and hold what a terminal obeys.
    harmless = isinstance(key, str) and re.fullmatch(r"[\w .-]{1,80}", key)
    return f".{key}" if harmless else f"[{_SHORT.repr(key)}]"


def _expected(node: dict[str, Any], types: dict[str, Any]) -> str:
    """Return what a schema asks for, in words."""
    node = _resolve(node, types)
    if "anyOf" in node:
        options = [option for option in node["anyOf"] if option.get("type") != "null"]
        return " or ".join(_expected(option, types) for option in options)
    if "enum" in node:
        return f"one of {', '.join(map(str, node['enum']))}"
    if "pattern" in node:
        return str(node["title"])
    return _TYPES[node["type"]] + _amount(node)


_BOUNDS = {
    "exclusiveMinimum": "over {:g}",
    "minimum": "of {:g} or more",
    "minItems": "of {} or more",
    "exclusiveMaximum": "under {:g}",
    "maximum": "up to {:g}",
    "multipleOf": "divisible by {}",
}


def _amount(node: dict[str, Any]) -> str:
    """Return how much a schema asks for: of a number its range, of a list its length."""
    for least, most, link in (("minimum", "maximum", "from"), ("minItems", "maxItems", "of")):
        if least in node and most in node:
            equal = node[least] == node[most]
            return f" of {node[least]}" if equal else f" {link} {node[least]} to {node[most]}"
    bounds = [text.format(node[name]) for name, text in _BOUNDS.items() if name in node]
    return f" {' and '.join(bounds)}" if bounds else ""
