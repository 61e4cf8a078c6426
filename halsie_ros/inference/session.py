"""onnxruntime sessions as this package wants them: a fixed number of threads and sizes known in advance."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import onnxruntime

from halsie_ros.errors import ModelError, ParameterError

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "xnnpack": "XnnpackExecutionProvider",
}
"""Where graphs may run, by the names of our parameters; what the provider cannot run goes to the processor."""


def open_session(
    model: str | Path | bytes,
    *,
    threads: int = 1,
    sizes: Mapping[str, int] | None = None,
    label: str | Path = "",
    provider: str = "cpu",
) -> onnxruntime.InferenceSession:
    """Opens a graph for inference.

    Fixed sizes let onnxruntime fold every shape computation at load time.

    Args:
        model: the ONNX file, or what it holds.
        threads: threads of one run; more than one is rarely worth it on a busy robot.
        sizes: value of each named dimension, e.g. ``{"height": 480, "width": 640}``. A dimension named
            ``height_4`` takes a quarter of ``height``, and so on.
        label: what an error calls a model given by its content.
        provider: where it runs, one of `PROVIDERS`.

    Raises:
        ParameterError: the installed onnxruntime has no such provider, or cannot start it on this machine.
        ModelError: the file is missing, is no ONNX graph, or cannot run here.
    """
    wanted = _available(provider)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Plans of memory for whole runs are as fast as memory taken piece by piece, and hold a tenth more at 640x480.
    options.enable_mem_pattern = False
    for name, size in _all_sizes(sizes or {}).items():
        options.add_free_dimension_override_by_name(name, size)
    try:
        source = model if isinstance(model, bytes) else str(model)
        session = onnxruntime.InferenceSession(source, options, providers=list(dict.fromkeys((wanted, _CPU))))
    except Exception as error:  # onnxruntime's exception classes are private and vary with the cause
        reason = " ".join(str(error).split())[:200]
        raise ModelError(f"{label or model!s}: onnxruntime cannot open this graph: {reason}") from error
    if wanted not in session.get_providers():  # onnxruntime goes on without it, and says so on its own log alone
        raise ParameterError(
            f"provider {provider} does not start on this machine (its driver or libraries are missing): choose cpu"
        )
    return session


_CPU = PROVIDERS["cpu"]


def _available(provider: str) -> str:
    """Onnxruntime's name of a provider; raises ParameterError where the installed one has it not."""
    installed = onnxruntime.get_available_providers()
    if provider not in PROVIDERS:
        raise ParameterError(f"provider {provider!r} is not known: choose one of {', '.join(PROVIDERS)}")
    if PROVIDERS[provider] not in installed:
        here = ", ".join(name for name, full in PROVIDERS.items() if full in installed)
        raise ParameterError(
            f"provider {provider} is not in the installed onnxruntime {onnxruntime.__version__}, which has {here}: "
            "install a build that has it, or choose one of these"
        )
    return PROVIDERS[provider]


def input_names(session: onnxruntime.InferenceSession) -> list[str]:
    """Names of the graph's inputs, in order."""
    return [value.name for value in session.get_inputs()]


def output_names(session: onnxruntime.InferenceSession) -> list[str]:
    """Names of the graph's outputs, in order."""
    return [value.name for value in session.get_outputs()]


def input_shape(session: onnxruntime.InferenceSession, name: str, sizes: Mapping[str, int]) -> tuple[int, ...]:
    """Shape of one input with its named dimensions filled in from ``sizes``.

    Raises:
        ModelError: the graph has no such input, or a dimension's name is not in ``sizes``.
    """
    table = _all_sizes(sizes)
    for value in session.get_inputs():
        if value.name == name:
            try:
                return tuple(table[size] if isinstance(size, str) else int(size) for size in value.shape)
            except (KeyError, TypeError) as error:
                raise ModelError(f"input {name} has dimensions {value.shape}: no size is known for {error}") from error
    raise ModelError(f"the graph has no input {name}, only {', '.join(input_names(session))}: export the model again")


_DERIVED = (2, 4, 8, 16, 32, 64)


def _all_sizes(sizes: Mapping[str, int]) -> dict[str, int]:
    """``sizes`` and what follows from them: ``height_4 = height / 4`` …"""
    result = dict(sizes)
    for name, size in sizes.items():
        if re.fullmatch("height|width", name):
            result |= {f"{name}_{part}": size // part for part in _DERIVED if size % part == 0}
    return result
