"""Contracts held against the graphs that they are of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from maskinfer.engine.contract import BARE_OUTPUT, FACE_OUTPUT, ClassifierContract, Contract, DetectorContract
from maskinfer.engine.errors import ContractError

if TYPE_CHECKING:
    import onnxruntime as ort

_TYPES = {"uint8": "tensor(uint8)", "float32": "tensor(float)"}
_RETINAFACE_OUTPUTS = 3


def check_graph(session: ort.InferenceSession, contract: Contract, file: str) -> None:
    """Refuse a contract that does not fit its graph, as far as the graph itself says what it takes and gives.

    Raises:
        ContractError: layout, size, type, labels or the number of outputs are others.
    """
    fed = session.get_inputs()[0]
    free = isinstance(contract, DetectorContract) and not contract.fixed_size
    width, height = ("any", "any") if free else contract.size_wh
    expected = (height, width, 3) if contract.input.layout == "NHWC" else (3, height, width)
    shape: Sequence[int | str | None] = fed.shape
    if len(shape) != 4 or any(
        isinstance(own, int) and own != said for own, said in zip(shape[1:], expected, strict=True)
    ):
        raise ContractError(f"{file}: the graph takes {shape}, its contract says (N, {', '.join(map(str, expected))})")
    if fed.type != _TYPES[contract.input.dtype]:
        raise ContractError(f"{file}: the graph takes {fed.type}, its contract says {contract.input.dtype}")
    if isinstance(contract, ClassifierContract):
        _check_columns(session, contract, file)
    else:
        _check_outputs(session, contract, file)


def _check_columns(session: ort.InferenceSession, contract: ClassifierContract, file: str) -> None:
    names = [output.name for output in session.get_outputs()]
    if contract.face_check is not None and FACE_OUTPUT not in names:
        raise ContractError(f"{file}: its contract says how it tells faces, the graph has no output that does")
    if contract.tells_bare and BARE_OUTPUT not in names:
        raise ContractError(f"{file}: its contract says that it tells what is bare, the graph has no output that does")
    columns = session.get_outputs()[0].shape[-1]
    if isinstance(columns, int) and columns != len(contract.labels):
        raise ContractError(f"{file}: the graph gives {columns} columns, its contract {len(contract.labels)} labels")


def _check_outputs(session: ort.InferenceSession, contract: DetectorContract, file: str) -> None:
    scrfd = len(contract.strides) * (3 if contract.landmarks else 2)
    expected = scrfd if contract.kind == "scrfd" else _RETINAFACE_OUTPUTS
    given = len(session.get_outputs())
    if given != expected:
        raise ContractError(f"{file}: the graph has {given} outputs, a {contract.kind} of its contract {expected}")
