"""Collects what an evaluation measures, frame by frame, and makes the result that JSON and report show."""

from __future__ import annotations

import platform
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from halsie_ros import __version__
from halsie_ros.classes import CLASS_SETS, ClassSet, remap, shared
from halsie_ros.errors import ParameterError
from halsie_ros.evaluation.calibration import Reliability
from halsie_ros.evaluation.energy import Cost, energy_mj, graph_cost
from halsie_ros.evaluation.metrics import bootstrap_miou, confusion, scores, scores_of_sums
from halsie_ros.inference.cards import ModelCard
from halsie_ros.inference.onnx_file import read_graph
from halsie_ros.lazy import renamed
from halsie_ros.segmentation.pipeline import StepResult

REFERENCE_SIZE = (260, 346)
"""Height and width of DDD17 and MVSEC, at which the literature states energy per inference."""
WORST_FRAMES = 6

__getattr__ = renamed(__name__, {"Judge": "CommonClasses", "Recorder": "Tally"})


def class_set_of(names: tuple[str, ...]) -> ClassSet | None:
    """The class set with these names, in this order; None where it is none of ours."""
    return next((classes for classes in CLASS_SETS.values() if classes.names == tuple(names)), None)


def usable_inputs(card: ModelCard, inputs: str) -> str:
    """`inputs`, or what of "both" the model was trained for.

    Raises:
        ParameterError: the model was not trained for the only sense that is asked for.
    """
    missing = {"events", "frames"} - set(card.inputs) if card.inputs else set()
    if inputs in missing:
        raise ParameterError(f"--inputs {inputs}: {card.name} was trained for {', '.join(card.inputs)} only")
    if inputs == "both" and missing:
        return card.inputs[0]
    return inputs


class CommonClasses:
    """Compares masks in a model's classes with labels in a data set's, whichever way a mapping leads.

    Args:
        card: the model's.
        labels: the data set's class set.
        folded: True compares in the classes that data sets share, see `halsie_ros.classes.shared`.

    Raises:
        ParameterError: no mapping leads from one to the other.
    """

    def __init__(self, card: ModelCard, labels: ClassSet, *, folded: bool = False):
        model = class_set_of(card.classes)
        if model is None:
            raise ParameterError(f"{card.name}: its classes are none of {', '.join(CLASS_SETS)}: cannot be scored")
        self.classes, self.mapped = labels, None if model is labels else f"{model.name} and {labels.name}"
        self._mask = self._label = None
        if folded:
            self.classes = shared(labels)
            self.mapped = self.classes.name
            remap(np.zeros(1, np.uint8), model, self.classes)
            self._mask, self._label = (model, self.classes), (labels, self.classes)
        elif model is not labels:
            try:
                remap(np.zeros(1, np.uint8), model, labels)
                self._mask = (model, labels)
            except ParameterError:
                remap(np.zeros(1, np.uint8), labels, model)  # raises where this way is not known either
                self._label, self.classes = (labels, model), model

    def mask(self, mask: np.ndarray) -> np.ndarray:
        """A mask of the model in the classes that are scored."""
        return remap(mask, *self._mask) if self._mask else mask

    def label(self, label: np.ndarray) -> np.ndarray:
        """A label of the data set in the classes that are scored, 255 where nothing is known."""
        return remap(label, *self._label) if self._label else label


@dataclass
class Record:
    """One scored frame.

    Attributes:
        name: of the frame.
        t_us: its time.
        sums: (3, C) int64, pixels right, labelled, found, per class.
        confusion: (C, C) int64 [label, mask].
    """

    name: str
    t_us: int
    sums: np.ndarray
    confusion: np.ndarray


@dataclass
class Tally:
    """Takes in steps and scored frames.

    Attributes:
        card: the model's.
        common: which classes count.
    """

    card: ModelCard
    common: CommonClasses
    records: list[Record] = field(default_factory=list)
    ms: list[float] = field(default_factory=list)
    windows: list[dict[str, Any]] = field(default_factory=list)
    pictures: list[tuple[float, str, np.ndarray | None, np.ndarray, np.ndarray]] = field(default_factory=list)
    reliability: Reliability = field(default_factory=Reliability)
    _costs: dict[tuple[int, int], tuple[Cost, Cost]] = field(default_factory=dict)

    def step(self, result: StepResult, *, t_us: int, ms: float, events: int, frame: bool, window_us: int) -> None:
        """One window was run: what it cost, from the measured spikes."""
        multiple = self.card.size_multiple
        height, width = (-(-side // multiple) * multiple for side in result.mask.shape)
        macs, accumulates = self._window_cost(height, width, result.spikes, events, frame, result.graph_steps)
        at_reference = [-(-side // multiple) * multiple for side in REFERENCE_SIZE]
        share = (REFERENCE_SIZE[0] * REFERENCE_SIZE[1]) / (result.mask.shape[0] * result.mask.shape[1])
        reference = self._window_cost(
            at_reference[0], at_reference[1], result.spikes, round(events * share), frame, result.graph_steps
        )
        self.ms.append(ms)
        self.windows.append(
            {
                "t_us": t_us,
                "ms": ms,
                "events": events,
                "window_us": window_us,
                "frame": frame,
                "graph_steps": result.graph_steps,
                "spikes": result.spikes,
                "macs": macs,
                "accumulates": accumulates,
                "energy_mj": energy_mj(macs, accumulates),
                "reference_mj": energy_mj(*reference),
            }
        )

    def _window_cost(
        self, height: int, width: int, spikes: dict[str, float], events: int, frame: bool, steps: int
    ) -> tuple[float, float]:
        if (height, width) not in self._costs:
            frame_graph, step_graph = (graph_cost(self.card.graph(role), height, width) for role in ("frame", "step"))
            self._costs[height, width] = (frame_graph, step_graph)
        frame_cost, step_cost = self._costs[height, width]
        rates = {"events": events / max(steps * step_cost.event_cells, 1), **spikes}
        return frame_cost.macs * frame + step_cost.macs * steps, step_cost.accumulates(rates) * steps

    def score(
        self,
        name: str,
        t_us: int,
        frame: np.ndarray | None,
        mask: np.ndarray,
        label: np.ndarray,
        confidence: np.ndarray | None = None,
    ) -> None:
        """A mask in the model's classes against a label in the data set's, and how sure the model was where that is
        known; keeps the worst as pictures."""
        found, true = self.common.mask(mask), self.common.label(label)
        classes = len(self.common.classes)
        found = np.where(found < classes, found, 0).astype(np.uint8)
        counts = confusion(found, true, classes)
        if confidence is not None:
            known = true < classes
            self.reliability.add(confidence[known], (found == true)[known])
        sums = np.stack([np.diagonal(counts), counts.sum(1), counts.sum(0)])
        self.records.append(Record(name, t_us, sums, counts))
        quality = scores(counts).miou
        if np.isfinite(quality):
            self.pictures.append((quality, name, frame, found, true))
            self.pictures.sort(key=lambda picture: picture[0])
            del self.pictures[WORST_FRAMES:]

    def result(self, about: dict[str, Any]) -> dict[str, Any]:
        """The figures, JSON-ready.

        Args:
            about: what was evaluated: data set, split, inputs, degradation ...

        Raises:
            ParameterError: no frame was scored.
        """
        if not self.records:
            raise ParameterError("no labelled frame was met: nothing to score; check split, labels and time range")
        counts = self._confusion()
        sums = np.stack([record.sums for record in self.records])
        figures = scores(counts)
        names = self.common.classes.names
        layers = {layer for window in self.windows for layer in window["spikes"]}
        rates = {layer: float(np.mean([w["spikes"][layer] for w in self.windows])) for layer in sorted(layers)}
        graphs = [read_graph(path) for path in self.card.graphs.values()]
        return {
            "task": "segmentation",
            **about,
            "model": self.card.name,
            "model_sha256": self.card.sha256,
            "miou": figures.miou,
            "miou_interval": bootstrap_miou(sums),
            "accuracy": figures.accuracy,
            "calibration_error": self.reliability.expected_error(),
            "sure_share": self.reliability.sure_share(),
            "per_class": {name: _number(value) for name, value in zip(names, figures.iou, strict=True)},
            "frames": len(self.records),
            "ms_per_step": float(np.median(self.ms)) if self.ms else None,
            "parameters": sum(graph.parameters for graph in graphs),
            "macs": self._mean("macs"),
            "accumulates": self._mean("accumulates"),
            "energy_mj": self._mean("energy_mj"),
            "energy_mj_346x260": self._mean("reference_mj"),
            "spike_rate": float(np.mean(list(rates.values()))) if rates else None,
            "spike_rates": rates,
            "classes": list(names),
            "mapped": self.common.mapped,
            "confusion": counts.tolist(),
            "per_frame": [
                {
                    "name": record.name,
                    "t_us": int(record.t_us),
                    "miou": _number(scores_of_sums(*record.sums).miou),
                    "right": record.sums[0].tolist(),
                    "labelled": record.sums[1].tolist(),
                    "found": record.sums[2].tolist(),
                }
                for record in self.records
            ],
            "steps": [
                {key: window[key] for key in ("t_us", "ms", "events", "window_us", "frame", "energy_mj")}
                for window in self.windows
            ],
            "environment": environment(),
        }

    @property
    def miou(self) -> float | None:
        """Of all scored frames together; None before the first."""
        return scores(self._confusion()).miou if self.records else None

    def _confusion(self) -> np.ndarray:
        """(C, C) int64 [label, mask] of all scored frames."""
        result: np.ndarray = np.sum([record.confusion for record in self.records], axis=0)
        return result

    def _mean(self, key: str) -> float | None:
        return float(np.mean([window[key] for window in self.windows])) if self.windows else None


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def environment() -> dict[str, str]:
    """Hardware and versions that a timing depends on."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        models = [line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if "model name" in line]
        cpu = f"{models[0]}, {len(models)} threads" if models else cpu
    return {
        "cpu": cpu,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "numpy": np.__version__,
        "onnxruntime": onnxruntime.__version__,
        "halsie_ros": __version__,
    }


def summary(result: dict[str, Any]) -> list[str]:
    """The result in a few lines."""
    low, high = result["miou_interval"]
    left_out = result.get("left_out")
    lines = [
        f"{result['model']} on {result['dataset']} {result['split']}, {result['frames']} labelled frames"
        f"{f' ({left_out} left out: a blackout as long as the sample)' if left_out else ''}, "
        f"inputs {result['inputs']}, degrade {result['degrade']}",
        f"mIoU {result['miou']:.4f} (95 %: {low:.4f} to {high:.4f})   accuracy {result['accuracy']:.4f}"
        f"{_calibration(result)}",
        "   ".join(f"{name} {'-' if iou is None else f'{iou:.3f}'}" for name, iou in result["per_class"].items()),
    ]
    if result.get("latency_p50_ms") is not None:
        drops = ", ".join(f"{count} {cause}" for cause, count in result["drops"].items()) or "none"
        lines.append(
            f"{result['answered']:.4f} of the pictures answered, latency {result['latency_p50_ms']:.1f} ms median, "
            f"{result['latency_p95_ms']:.1f} ms p95 from the {result['latency_from']}   drops: {drops}"
        )
    if result["ms_per_step"] is not None:
        lines.append(
            f"{result['ms_per_step']:.1f} ms per step   {result['parameters'] / 1e6:.2f} M parameters   "
            f"{result['macs'] / 1e9:.3f} GMAC + {result['accumulates'] / 1e9:.3f} G accumulates   "
            f"{result['energy_mj']:.2f} mJ   spike rate {result['spike_rate']:.3f}"
        )
    return lines


def _calibration(result: dict[str, Any]) -> str:
    """The calibration error as text, nothing where confidence was not seen."""
    error = result.get("calibration_error")
    return "" if error is None else f"   calibration error {error:.3f}, {result['sure_share']:.2f} sure"
