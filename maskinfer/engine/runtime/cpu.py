"""What this processor can do, and how many threads this process may use."""

from __future__ import annotations

import math
import os
import platform
from pathlib import Path

# OpenCV's number of AVX2 among the features that it looks for (``cv::CpuFeatures``).
_CV_CPU_AVX2 = 11


def processor_name(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Return what the processor calls itself; may be empty where only Linux would say."""
    names = [line.split(":", 1)[1].strip() for line in _lines(cpuinfo) if line.startswith("model name")]
    return names[0] if names else platform.processor()


def has_fast_int8(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Tell whether the shipped int8 models are faster here than those in float: an x86 processor with AVX2.

    Whatever multiplies int8 better (AVX-512, VNNI) has AVX2 too. Windows and macOS are asked through OpenCV.
    """
    if lines := _lines(cpuinfo):
        return any("avx2" in line.split() for line in lines)
    import cv2

    return bool(cv2.checkHardwareSupport(_CV_CPU_AVX2))


def has_bf16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Tell whether the processor multiplies bfloat16 (AVX-512 BF16, AMX); only Linux says so."""
    return any("avx512_bf16" in line or "amx_bf16" in line for line in _lines(cpuinfo))


def _lines(cpuinfo: Path) -> list[str]:
    try:
        return cpuinfo.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def available_threads() -> int:
    """Return how many threads this process may keep busy: its CPU affinity, cut by the container's quota."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _cgroup_quota()
    return max(1, min(cpus, math.ceil(quota)) if quota else cpus)


def _cgroup_quota(root: Path = Path("/sys/fs/cgroup")) -> float | None:
    """Return the CPU quota in cores, from control groups version 2 or 1; None when there is none."""
    try:
        quota, period = (root / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            quota = (root / "cpu/cpu.cfs_quota_us").read_text()
            period = (root / "cpu/cpu.cfs_period_us").read_text()
        except OSError:
            return None
    if quota.strip() in ("max", "-1"):
        return None
    return int(quota) / int(period)
