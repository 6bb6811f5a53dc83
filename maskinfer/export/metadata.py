"""Writing of contracts into ONNX files."""

from __future__ import annotations

import onnx

from maskinfer.engine.contract import METADATA_KEY, Contract, to_json


def write_contract(model: onnx.ModelProto, contract: Contract) -> None:
    """Put the contract into a model's metadata, in place; an earlier one is replaced."""
    kept = [prop for prop in model.metadata_props if prop.key != METADATA_KEY]
    del model.metadata_props[:]
    model.metadata_props.extend(kept)
    model.metadata_props.append(onnx.StringStringEntryProto(key=METADATA_KEY, value=to_json(contract)))
