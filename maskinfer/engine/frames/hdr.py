"""Video of high dynamic range (PQ and HLG, ITU-R BT.2100) to what an ordinary screen, and a model, expects."""

from __future__ import annotations

import atexit
import tempfile
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import av
import av.filter
import numpy as np
from numpy.typing import NDArray

from maskinfer.engine.results import BGRFrame

PQ, HLG = 16, 18
"""Codes of the two transfer functions in ITU-T H.273."""
_BT2020 = 9
_WHITE_NITS = 203.0
"""Diffuse white in HDR, by ITU-R BT.2408; what is brighter is a highlight."""
_PEAK_NITS = 1000.0
"""What becomes the brightest that SDR shows; also the display that HLG is made for."""
_SDR_GAMMA = 2.4
_LUT_SIDE = 33
# ITU-R BT.2087: linear red, green, blue of BT.2020 -> those of BT.709.
_BT2020_TO_BT709 = np.array([
    [1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187],
])  # fmt: skip
Array = NDArray[np.float64]
ToneMap = Callable[[av.VideoFrame], BGRFrame]


def is_hdr(transfer: int) -> bool:
    """Tell whether a transfer characteristic, by its code in ITU-T H.273, is PQ or HLG."""
    return transfer in (PQ, HLG)


def sdr_of(rgb: Array, transfer: int, primaries: int) -> Array:
    """Return what a screen of standard range is to show, (N, 3), 0 to 1, gamma encoded, BT.709.

    Light is rolled off as in Reinhard et al., "Photographic Tone Reproduction for Digital Images" (2002), equation 4,
    by the brightest of the three colours, so that highlights keep their hue.

    Args:
        rgb: (N, 3), 0 to 1, encoded by ``transfer``.
        transfer: ``PQ`` or ``HLG``.
        primaries: by their code in ITU-T H.273; all but BT.2020 are taken for BT.709.
    """
    light = (_pq_nits(rgb) if transfer == PQ else _hlg_nits(rgb)) / _WHITE_NITS
    brightest = np.maximum(light.max(axis=1, keepdims=True), 1e-9)
    peak = _PEAK_NITS / _WHITE_NITS
    light = light * (1 + brightest / peak**2) / (1 + brightest)
    if primaries == _BT2020:
        light = light @ _BT2020_TO_BT709.T
    return np.asarray(np.clip(light, 0, 1) ** (1 / _SDR_GAMMA))


def _pq_nits(signal: Array) -> Array:
    """SMPTE ST 2084, in cd/m²."""
    m1, m2 = 2610 / 16384, 2523 / 32
    c1, c2, c3 = 3424 / 4096, 2413 / 128, 2392 / 128
    root = signal ** (1 / m2)
    return np.asarray(10_000 * (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1))


def _hlg_nits(signal: Array) -> Array:
    """ARIB STD-B67 on a display of 1000 cd/m², with the system gamma of BT.2100."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
    luminance = scene @ np.array([0.2627, 0.6780, 0.0593])
    return np.asarray(_PEAK_NITS * scene * np.maximum(luminance, 1e-9)[:, None] ** 0.2)


def tone_mapper(transfer: int, primaries: int) -> ToneMap:
    """Return a function that maps a picture of high dynamic range, in rgb48le, to uint8 BGR of standard range.

    The mapping of ``sdr_of`` is sampled at 33 levels of each colour, and interpolated between them by FFmpeg.
    """
    table = _cube_file(transfer, primaries)
    graphs: dict[tuple[int, int], av.filter.Graph] = {}

    def apply(frame: av.VideoFrame) -> BGRFrame:
        size_wh = frame.width, frame.height
        if size_wh not in graphs:
            graphs[size_wh] = _graph(size_wh, table)
        frame.pts = 0
        graphs[size_wh].vpush(frame)
        mapped = graphs[size_wh].vpull()
        return np.asarray(mapped.to_ndarray(), np.uint8)

    return apply


def _graph(size_wh: tuple[int, int], table: Path) -> av.filter.Graph:
    graph = av.filter.Graph()
    pixels = av.VideoFormat("rgb48le")
    source = graph.add_buffer(width=size_wh[0], height=size_wh[1], format=pixels, time_base=Fraction(1, 25))
    last = source
    for name, options in (("lut3d", {"file": str(table)}), ("format", {"pix_fmts": "bgr24"}), ("buffersink", {})):
        step = graph.add(name, **options)
        last.link_to(step)
        last = step
    graph.configure()
    return graph


@lru_cache(maxsize=4)
def _cube_file(transfer: int, primaries: int) -> Path:
    """Write the mapping as FFmpeg reads it: a .cube file, red fastest."""
    levels = np.linspace(0, 1, _LUT_SIDE)
    blue, green, red = np.meshgrid(levels, levels, levels, indexing="ij")
    table = sdr_of(np.stack([red.ravel(), green.ravel(), blue.ravel()], axis=1), transfer, primaries)
    with tempfile.NamedTemporaryFile("w", suffix=".cube", prefix="maskinfer-", delete=False) as file:
        file.write(f"LUT_3D_SIZE {_LUT_SIDE}\n")
        np.savetxt(file, table, "%.6f")
    path = Path(file.name)
    atexit.register(path.unlink, missing_ok=True)
    return path
