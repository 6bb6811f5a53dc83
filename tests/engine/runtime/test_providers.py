from __future__ import annotations

import json
import sys
from pathlib import Path

import onnxruntime as ort
import pytest

from maskinfer.engine.catalog.shipped import MODELS_DIR, SHIPPED
from maskinfer.engine.errors import MissingExtraError, ModelError, ProviderError, RequestError
from maskinfer.engine.runtime import cpu, providers
from maskinfer.engine.runtime.cpu import available_threads, has_bf16, has_fast_int8
from maskinfer.engine.runtime.providers import resolve_provider, short_name
from maskinfer.engine.runtime.session import create_session, provider_options
from maskinfer.engine.runtime.tensorrt import tensorrt_options


@pytest.mark.parametrize("name", ["cpu", "CPU", "CPUExecutionProvider"])
def test_a_provider_by_any_of_its_names(name: str) -> None:
    assert resolve_provider(name) == "CPUExecutionProvider"


@pytest.mark.parametrize("name", ["gpu", "azure", ""])
def test_an_unknown_provider_lists_the_known(name: str) -> None:
    with pytest.raises(RequestError, match=rf"unknown provider '{name}': choose auto, .*cpu.*cuda"):
        resolve_provider(name)


def test_short_names() -> None:
    assert short_name("CUDAExecutionProvider") == "cuda"


def absent_provider() -> str:
    absent = [
        p for p in ("CUDAExecutionProvider", "OpenVINOExecutionProvider") if p not in ort.get_available_providers()
    ]
    if not absent:
        pytest.skip("this onnxruntime has every provider that could be absent")
    return short_name(absent[0])


def test_a_provider_that_is_not_there_is_an_error(colour_classifier: Path) -> None:
    with pytest.raises(ProviderError, match=r"is not in the installed onnxruntime .* pip install"):
        create_session(colour_classifier, provider=absent_provider())


def test_auto_is_active(colour_classifier: Path) -> None:
    session = create_session(colour_classifier)
    assert session.get_providers()[0] in ort.get_available_providers()


def test_a_provider_that_stays_inactive_is_an_error(colour_classifier: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A build that lists CUDA on a machine without it: onnxruntime itself would go on with the CPU."""
    present = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(ort, "get_available_providers", lambda: present)
    if "CUDAExecutionProvider" in create_session(colour_classifier).get_providers():
        pytest.skip("CUDA is active on this machine")
    with pytest.warns(UserWarning, match="CUDAExecutionProvider"), pytest.raises(ProviderError):
        create_session(colour_classifier, provider="cuda")


def test_threads_are_set(colour_classifier: Path) -> None:
    options = create_session(colour_classifier, threads=3).get_session_options()
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (3, 1)
    default = create_session(colour_classifier).get_session_options()
    assert default.intra_op_num_threads == available_threads()


def test_no_threads_is_a_wrong_request(colour_classifier: Path) -> None:
    with pytest.raises(RequestError, match="threads is 0"):
        create_session(colour_classifier, threads=0)


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({"cpu.max": "150000 100000"}, 1.5),
        ({"cpu.max": "max 100000"}, None),
        ({"cpu/cpu.cfs_quota_us": "200000", "cpu/cpu.cfs_period_us": "100000"}, 2.0),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
        ({}, None),
    ],
)
def test_the_containers_quota(tmp_path: Path, files: dict[str, str], quota: float | None) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    assert cpu._cgroup_quota(tmp_path) == quota


def test_a_file_that_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "x.onnx").write_text("hello")
    with pytest.raises(ModelError, match=r"x\.onnx cannot be loaded as an ONNX model"):
        create_session(tmp_path / "x.onnx", provider="cpu")


def test_without_onnxruntime_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'maskinfer\[cpu\]'"):
        providers.import_onnxruntime()


def test_tensorrt_gets_shapes_and_a_cache_of_its_own(tmp_path: Path) -> None:
    def options(name: str, versions: str = "onnxruntime 1") -> dict[str, str]:
        file = MODELS_DIR / SHIPPED[name].file
        return tensorrt_options(file, create_session(file, provider="cpu", threads=1), tmp_path, versions)

    classifier, detector = options("mobilenetv2-128"), options("retinaface-mask")
    shapes = [classifier[f"trt_profile_{which}_shapes"] for which in ("min", "opt", "max")]
    name = shapes[0].split(":")[0]
    assert shapes == [f"{name}:1x128x128x3", f"{name}:16x128x128x3", f"{name}:32x128x128x3"]
    shapes = [detector[f"trt_profile_{which}_shapes"].split(":")[1] for which in ("min", "opt", "max")]
    assert shapes == ["1x32x32x3", "4x640x640x3", "8x640x640x3"]
    folders = {o["trt_engine_cache_path"] for o in (classifier, detector, options("mobilenetv2-128", "onnxruntime 2"))}
    assert len(folders) == 3
    assert options("mobilenetv2-128") == classifier


def test_bfloat16_where_the_processor_has_it(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("flags : fpu avx512f avx512_bf16 avx512_vnni")
    assert has_bf16(cpuinfo)
    cpuinfo.write_text("flags : fpu avx2")
    assert not has_bf16(cpuinfo)
    assert not has_bf16(tmp_path / "none")
    given = provider_options("OpenVINOExecutionProvider", 2, bf16=True)
    assert json.loads(given["load_config"]) == {"CPU": {"INFERENCE_PRECISION_HINT": "bf16"}}
    assert "load_config" not in provider_options("OpenVINOExecutionProvider", 2)
    with pytest.raises((ProviderError, RequestError), match="openvino"):
        create_session(MODELS_DIR / SHIPPED["mobilenetv2-128"].file, provider="openvino-bf16")


def test_int8_is_fast_where_the_processor_has_avx2(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    for flags, expected in (("fpu avx2 avx512f avx512_vnni", True), ("fpu avx avx2", True), ("fpu avx", False)):
        cpuinfo.write_text(f"processor : 0\nflags : {flags}\n")
        assert has_fast_int8(cpuinfo) == expected
    cpuinfo.write_text("processor : 0\nFeatures : fp asimd asimddp i8mm\n")
    assert not has_fast_int8(cpuinfo)


def test_avx2_where_no_file_says_so(tmp_path: Path) -> None:
    """As on Windows and macOS: OpenCV has to find on this machine what the kernel finds."""
    flags = Path("/proc/cpuinfo").read_text().split() if Path("/proc/cpuinfo").exists() else None
    found = has_fast_int8(tmp_path / "none")
    assert isinstance(found, bool)
    if flags is not None:
        assert found == ("avx2" in flags)


def test_openvino_has_a_stream_and_a_request_for_each_lane() -> None:
    """With one stream the runs of all lanes wait for one another; it makes as many requests as it has threads."""
    one = provider_options("OpenVINOExecutionProvider", 4)
    assert one == {"device_type": "CPU", "num_of_threads": "4", "num_streams": "1"}
    lanes = provider_options("OpenVINOExecutionProvider", 1, lanes=4)
    assert (lanes["num_of_threads"], lanes["num_streams"]) == ("4", "4")


def test_cuda_gets_no_search_over_all_algorithms_and_calculates_in_full() -> None:
    """cuDNN would try each algorithm for each number of faces, which is another shape every time."""
    options = {"cudnn_conv_algo_search": "HEURISTIC", "use_tf32": "0"}
    assert provider_options("CUDAExecutionProvider", 4, lanes=2) == options
    assert provider_options("CPUExecutionProvider", 4, lanes=2) == {}
    assert provider_options("CoreMLExecutionProvider", 4) == {}


def test_tensorrt_keeps_engines_and_timings_below_the_cache(tmp_path: Path, colour_classifier: Path) -> None:
    session = create_session(colour_classifier, provider="cpu", threads=1)
    given = tensorrt_options(colour_classifier, session, tmp_path, "onnxruntime 1")
    assert set(given) == {
        *(f"trt_{name}" for name in ("engine_cache_enable", "engine_cache_path", "timing_cache_enable")),
        *(f"trt_{name}" for name in ("timing_cache_path", "profile_min_shapes", "profile_opt_shapes")),
        "trt_profile_max_shapes",
    }
    assert given["trt_engine_cache_enable"] == given["trt_timing_cache_enable"] == "1"
    assert Path(given["trt_engine_cache_path"]).parent == tmp_path / "tensorrt"
    assert all(isinstance(value, str) for value in given.values())
    assert given["trt_profile_min_shapes"].endswith(":1x16x16x3")


@pytest.mark.parametrize(
    ("present", "name", "cores", "int8"),
    [
        ("CPUExecutionProvider", "auto", True, True),
        ("CPUExecutionProvider", "cpu", True, True),
        ("OpenVINOExecutionProvider", "openvino", True, True),
        ("XnnpackExecutionProvider", "xnnpack", True, False),
        ("CUDAExecutionProvider", "cuda", False, False),
        ("CUDAExecutionProvider", "auto", False, False),
        ("TensorrtExecutionProvider", "tensorrt", False, False),
        ("CoreMLExecutionProvider", "coreml", False, False),
        ("DmlExecutionProvider", "directml", False, False),
    ],
)
def test_lanes_and_int8_by_provider(
    present: str, name: str, cores: bool, int8: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ort, "get_available_providers", lambda: [present, "CPUExecutionProvider"])
    assert providers.uses_cores(name) == cores
    assert providers.prefers_int8(name) == int8


def test_openvino_in_bfloat16_rounds_the_float_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ort, "get_available_providers", lambda: ["OpenVINOExecutionProvider", "CPUExecutionProvider"])
    monkeypatch.setattr(providers, "has_bf16", lambda: True)
    assert providers.uses_cores("openvino-bf16")
    assert not providers.prefers_int8("openvino-bf16")


@pytest.mark.parametrize(
    "slow",
    ["CoreMLExecutionProvider", "DmlExecutionProvider", "OpenVINOExecutionProvider", "MIGraphXExecutionProvider"],
)
def test_auto_takes_nothing_that_was_not_measured(slow: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ort, "get_available_providers", lambda: [slow, "CPUExecutionProvider"])
    assert providers.runs_on_cpu("auto")


def test_auto_may_be_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ort, "get_available_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"])
    assert not providers.runs_on_cpu("auto")
