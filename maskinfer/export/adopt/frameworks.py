"""Models of other frameworks as ONNX graphs: Keras (.keras, .h5) and TorchScript.

What a file is, its own first bytes say, not its name. Nothing in it is unpickled: Keras' files are read in its safe
mode, which refuses code. A TorchScript file is a program: it can write files, among other things, when it is run, and
it has to be run to be adopted. So it is read only if whoever adopts it says that it is to be trusted.
"""

from __future__ import annotations

import os
import tempfile
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from maskinfer.engine.errors import MissingExtraError, ModelError, ModelNotFoundError, RequestError
from maskinfer.export.adopt.graph import INPUT, OUTPUT
from maskinfer.export.torch_graph import OPSET, quiet

_HDF5 = b"\x89HDF\r\n\x1a\n"
_TORCH_OPSET = min(OPSET, 17)


def read_foreign(file: Path, size_wh: tuple[int, int] | None, *, trust: bool = False) -> onnx.ModelProto:
    """Return the graph of an ONNX, Keras or TorchScript file.

    Args:
        file: of any name.
        size_wh: of a picture in pixels; TorchScript files do not say it, and channels come first in them.
        trust: run what the file says even if it is a program (TorchScript).

    Raises:
        ModelNotFoundError, ModelError: there is no such file, or it is none of these.
        MissingExtraError: Keras is not installed. RequestError: the size is not said, or the file is a program
            that is not trusted.
    """
    if not file.is_file():
        raise ModelNotFoundError(f"{file} does not exist")
    kind = _kind(file)
    try:
        if kind == "keras":
            return _apart(_read_keras(file))
        if kind == "torchscript" and not trust:
            raise RequestError(
                f"{file} is TorchScript, a program that can read and write files here: give --trust if you know who "
                "made it, or ask for the model as ONNX"
            )
        if kind == "torchscript":
            return _apart(_read_torchscript(file, size_wh))
        return _apart(_read_onnx(file))
    except (MissingExtraError, RequestError):
        raise
    except Exception as error:  # each framework raises whatever the file leads it to
        reason = next(iter(str(error).strip().splitlines()), repr(error))[:160]
        raise ModelError(f"{file} cannot be read as {kind}: {reason}") from error


def _kind(file: Path) -> str:
    with file.open("rb") as opened:
        if opened.read(len(_HDF5)) == _HDF5:
            return "keras"
    if not zipfile.is_zipfile(file):
        return "ONNX"
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
    if "model.weights.h5" in names:
        return "keras"
    if any("/code/" in name for name in names):
        return "torchscript"
    raise ModelError(
        f"{file} holds weights without a network: give one of maskinfer's to `maskinfer export`, "
        "or save another as TorchScript (torch.jit.trace) or ONNX"
    )


def _read_onnx(file: Path) -> onnx.ModelProto:
    model = onnx.load(str(file))
    onnx.checker.check_model(model)
    return model


def _apart(model: onnx.ModelProto) -> onnx.ModelProto:
    """Rename the tensors that have the names of what is put around the graph."""
    taken = {INPUT, OUTPUT}
    graph = model.graph
    for value in [*graph.input, *graph.output, *graph.value_info, *graph.initializer]:
        value.name = f"foreign_{value.name}" if value.name in taken else value.name
    for node in graph.node:
        for names in (node.input, node.output):
            names[:] = [f"foreign_{name}" if name in taken else name for name in names]
    return model


def _read_keras(file: Path) -> onnx.ModelProto:
    # Of Keras' backends torch is here anyway; one that was chosen stays.
    os.environ.setdefault("KERAS_BACKEND", "torch")
    try:
        import keras
    except ImportError as error:
        raise MissingExtraError("keras", "keras") from error
    with quiet(), tempfile.TemporaryDirectory() as folder:
        opened = Path(folder) / ("model.h5" if file.read_bytes()[:8] == _HDF5 else "model.keras")
        # Keras goes by the name.
        opened.symlink_to(file.resolve())
        model: Any = keras.saving.load_model(str(opened), compile=False, safe_mode=True)
        shape = [side or 2 for side in model.input_shape]
        model(np.zeros(shape, np.float32))
        out = Path(folder) / "model.onnx"
        model.export(str(out), format="onnx", verbose=False)
        return _read_onnx(out)


def _read_torchscript(file: Path, size_wh: tuple[int, int] | None) -> onnx.ModelProto:
    import torch

    if size_wh is None:
        raise RequestError("a TorchScript file does not say the size of its pictures: say it, in pixels")
    with quiet(), tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = torch.jit.load(str(file), map_location="cpu").eval()  # type: ignore[no-untyped-call]
        out = Path(folder) / "model.onnx"
        example = torch.zeros(2, 3, size_wh[1], size_wh[0])
        # The current exporter takes modules only, not what is scripted.
        torch.onnx.export(
            network,
            (example,),
            str(out),
            dynamo=False,
            opset_version=_TORCH_OPSET,
            input_names=["pictures"],
            output_names=["scores"],
            dynamic_axes={"pictures": {0: "batch"}, "scores": {0: "batch"}},
        )
        return _read_onnx(out)
