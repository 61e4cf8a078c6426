"""Turns a trained checkpoint into a model: frame and step graphs (ONNX) and the card beside them.

    python -m training.segmentation.export RUN/best.pt --name halsie_scene [--models models] [--measured FILE.json]

Norms are folded into the convolutions, convolution weights are stored as float16 initializers with a Cast (as fast,
half the size), heights and widths stay open, and the event grid comes in two parts, its early and its late bins: each
has few enough channels for a fast first convolution on any CPU.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import json
from pathlib import Path
from typing import Any, cast

import onnx
import torch
import yaml
from torch import Tensor, nn

from halsie_ros.classes import CLASS_SETS
from halsie_ros.files import write_atomically
from training.core.command import command, setting_up
from training.core.onnx_graphs import traced
from training.networks.halsie import EVENT_LAYERS, STATES, HalsieStream, StreamConfig
from training.networks.layers import ConvNorm, InParts, fuse_norms
from training.networks.unrolled import Windows, network_for
from training.segmentation.config import SegmentationConfig

BIN_US = 10_000
EVENT_INPUTS = ("events_early", "events_late")
FEATURES = ("quarter", "eighth")
STRIDES = {"quarter": 4, "eighth": 8, "sixteenth": 16, "memory": 8}


class FrameGraph(nn.Module):
    """The network's frame part, for tracing."""

    def __init__(self, network: HalsieStream) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """See `HalsieStream.frame`."""
        return self.network.frame(image)


class StepGraph(nn.Module):
    """The network's step part with a flat list of tensors, for tracing."""

    def __init__(self, network: HalsieStream) -> None:
        super().__init__()
        self.network = network

    def forward(
        self, early: Tensor, late: Tensor, dt_us: Tensor, frame_valid: Tensor, *rest: Tensor
    ) -> tuple[Tensor, ...]:
        """``rest``: the frame features, then the states; gives scores, next states and spike counts."""
        scores, state, spikes, _ = self.network.step((early, late), dt_us, frame_valid, (rest[0], rest[1]), rest[2:])
        return (scores, *state, *(layer.sum().view(1) for layer in spikes))


def deployed(network: HalsieStream) -> HalsieStream:
    """A copy as the graphs hold it, for `FrameGraph` and `StepGraph`: in evaluation, norms folded, convolution weights
    rounded to float16, the first convolution on events in parts."""
    network = copy.deepcopy(network).eval().requires_grad_(False)
    fuse_norms(network)
    first = cast(ConvNorm, network.event_branch.currents[0])
    first.conv = InParts(cast(nn.Conv2d, first.conv), event_channels(network.config.bins)).requires_grad_(False)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.copy_(module.weight.half().float())
    return network


def event_channels(bins: int) -> tuple[int, int]:
    """Channels of the early and the late part of an event grid, which has two per bin."""
    early = 2 * ((bins + 1) // 2)
    return early, 2 * bins - early


def example(network: HalsieStream, height: int, width: int) -> dict[str, Tensor]:
    """A step's inputs by name, fresh state, in the graph's order."""
    channels = dict(zip(STATES, (*network.config.event_channels, network.config.memory)))
    parts = zip(EVENT_INPUTS, event_channels(network.config.bins))
    features = network.frame(torch.zeros(1, 3, height, width))
    return {
        **{name: torch.zeros(1, count, height, width) for name, count in parts},
        "dt_us": torch.full((1,), 50_000.0),
        "frame_valid": torch.ones(1),
        **{f"frame_{name}": feature for name, feature in zip(FEATURES, features)},
        **{
            f"state_{name}": torch.zeros(1, channels[name], height // STRIDES[name], width // STRIDES[name])
            for name in STATES
        },
    }


def graphs(network: HalsieStream) -> dict[str, onnx.ModelProto]:
    """The `frame` and `step` graphs of a network (trained or not)."""
    network = deployed(network)
    inputs = example(network, 2 * network.size_multiple, 3 * network.size_multiple)
    step_outputs = ["logits", *(f"next_{name}" for name in STATES), *(f"spikes_{name}" for name in EVENT_LAYERS)]
    image = torch.zeros(1, 3, 2 * network.size_multiple, 3 * network.size_multiple)
    return {
        "frame": _trace(FrameGraph(network), {"image": image}, [f"frame_{name}" for name in FEATURES]),
        "step": _trace(StepGraph(network), inputs, step_outputs),
    }


def _trace(module: nn.Module, inputs: dict[str, Tensor], outputs: list[str]) -> onnx.ModelProto:
    """Exports one graph with the dimension names that `halsie_ros.inference.session` fills in."""
    axes = {}
    for name in (*inputs, *outputs):
        stride = STRIDES.get(name.partition("_")[2], 4 if name == "logits" else 1)
        if name not in ("dt_us", "frame_valid") and not name.startswith("spikes_"):
            suffix = f"_{stride}" if stride > 1 else ""
            axes[name] = {2: f"height{suffix}", 3: f"width{suffix}"}
    return traced(module, inputs, outputs, axes)


def multiply_accumulates(network: HalsieStream, height: int, width: int) -> dict[str, int]:
    """Multiply-accumulates of every convolution, spiking or not, for each graph."""
    network = deployed(network)
    counts = {"frame": 0, "step": 0}
    role = "frame"

    def count(module: nn.Module, _inputs: Any, output: Tensor) -> None:
        if isinstance(module, nn.Conv2d):
            counts[role] += output.numel() * module.weight[0].numel()

    handles = [module.register_forward_hook(count) for module in network.modules()]
    inputs = example(network, height, width)
    role = "step"
    StepGraph(network)(*inputs.values())
    for handle in handles:
        handle.remove()
    return counts


def export(network: HalsieStream, name: str, folder: Path, about: dict[str, Any], measured: dict[str, Any]) -> Path:
    """Writes the graphs and the card, and gives the card's path.

    Args:
        network: the trained network.
        name: of the model.
        folder: where models lie.
        about: the card's `class_set`, `data`, `licence`, `commercial_use`, `recipe` and `inputs`.
        measured: figures for the card, beside parameters and multiply-accumulates, which are counted here.
    """
    classes = CLASS_SETS[about["class_set"]]
    digests = {}
    for role, model in graphs(network).items():
        content = model.SerializeToString()
        digests[role] = hashlib.sha256(content).hexdigest()
        write_atomically(folder / f"{name}_{role}.onnx", content)
    card = {
        "name": name,
        "task": "segmentation",
        "graphs": {role: f"{name}_{role}.onnx" for role in digests},
        "sha256": digests,
        "classes": list(classes.names),
        "palette": classes.palette.tolist(),
        "bin_us": BIN_US,
        "bins": network.config.bins,
        "size_multiple": network.size_multiple,
        "inputs": list(about["inputs"]),
        "commercial_use": bool(about["commercial_use"]),
        "licence": about["licence"],
        "data": about["data"],
        "recipe": about["recipe"],
        "measured": {
            "parameters": sum(parameter.numel() for parameter in network.parameters()),
            "macs_640x480": multiply_accumulates(network, 480, 640),
            **measured,
        },
    }
    path = folder / f"{name}.yaml"
    text = yaml.safe_dump(card, sort_keys=False, allow_unicode=True, width=120, default_flow_style=None)
    write_atomically(path, text.encode())
    return path


def load(checkpoint: Path) -> tuple[HalsieStream | Windows, dict[str, Any]]:
    """The network of a checkpoint of `training.segmentation.task` (its moving average) and the recipe's `card` part."""
    saved = torch.load(checkpoint, map_location="cpu", weights_only=True)
    network = network_for(StreamConfig(**saved["config"]["network"]), BIN_US)
    network.load_state_dict(saved["average"])
    return network, {**saved["config"]["card"], "class_set": saved["config"]["class_set"]}


@command
def main(arguments: list[str] | None = None) -> int:
    """The command; see the module's text."""
    parser = argparse.ArgumentParser(description="Export a checkpoint as a model: two graphs and a card.")
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--name", required=True)
    parser.add_argument("--card", type=Path, help="recipe whose card counts, not the checkpoint's: of an earlier stage")
    parser.add_argument("--models", type=Path, default=Path("models"))
    parser.add_argument("--measured", type=Path, help="JSON with figures for the card, as `halsie evaluate` writes it")
    args = parser.parse_args(arguments)
    with setting_up():
        network, about = load(args.checkpoint)
        if args.card:
            about |= SegmentationConfig.load(args.card).card
        measured = json.loads(args.measured.read_text()) if args.measured else {}
    if not isinstance(network, HalsieStream):
        parser.error(
            f"{args.checkpoint} is of an unrolled network, which has no frame and step graph: it is not deployed"
        )
    print(export(network, args.name, args.models, about, measured))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
