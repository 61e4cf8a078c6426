"""Turns a checkpoint of `training.action.task` into a model.

    python -m training.action.export RUN/last.pt --name actions_mhad [--measured FILE.json]

Writes three graphs (`i_frame`, `p_frame`, `head`) and the card into `--models`. All sizes are fixed: features do not
grow with the stream.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path
from typing import Any

import onnx
import torch
import yaml
from torch import Tensor, nn

from halsie_ros.evaluation.energy import graph_cost
from halsie_ros.files import write_atomically
from training.action.data import IMAGE, MOTION, RESIDUAL
from training.core.command import command, setting_up
from training.core.onnx_graphs import traced
from training.networks.action_config import PLACES, ActionConfig
from training.networks.compressed_video import CompressedVideoNet

LAYERS = ("motion1", "motion2", "residual1", "residual2")
STATES = tuple(
    f"{modality}{part}"
    for modality in ("motion", "residual")
    for part in ("1", "1_firing", "2", "2_firing", "_readout")
)


class _IFrame(nn.Module):
    def __init__(self, network: CompressedVideoNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor, before: Tensor | None = None) -> Tensor:
        return self.network.i_frame(image, before)


class _PFrame(nn.Module):
    def __init__(self, network: CompressedVideoNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, motion: Tensor, residual: Tensor, dt_us: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        tokens, after, spikes = self.network.p_frame(motion, residual, dt_us, state)
        return (tokens, *after, *spikes)


def fresh_state(config: ActionConfig) -> dict[str, Tensor]:
    """Zeros by state name, one stream."""
    first, second = (1, config.channels, 12, 16), (1, 2 * config.channels, 6, 8)
    shapes = (first, first, second, second, second) * 2
    return {name: torch.zeros(shape) for name, shape in zip(STATES, shapes)}


def graphs(network: CompressedVideoNet) -> dict[str, onnx.ModelProto]:
    """The three graphs of a network, trained or not."""
    network = network.eval().requires_grad_(False)
    config = network.config
    p_inputs = {
        "motion": torch.zeros(1, *MOTION),
        "residual": torch.zeros(1, *RESIDUAL),
        "dt_us": torch.full((1,), 66_667.0),
        **{f"state_{name}": value for name, value in fresh_state(config).items()},
    }
    head_inputs = {
        "i_tokens": torch.zeros(1, config.gops, PLACES, config.width),
        "p_tokens": torch.zeros(1, config.gops, 2 * PLACES, config.width),
        "age_s": torch.zeros(1, config.gops),
        "valid": torch.ones(1, config.gops),
    }
    if config.camera:
        head_inputs["camera"] = torch.zeros(1, config.gops, 2)
    pictures = ("image", "before") if config.difference else ("image",)
    p_outputs = ["tokens", *(f"next_{name}" for name in STATES), *(f"spikes_{name}" for name in LAYERS)]
    return {
        "i_frame": traced(_IFrame(network), dict.fromkeys(pictures, torch.zeros(1, *IMAGE)), ["tokens"]),
        "p_frame": traced(_PFrame(network), p_inputs, p_outputs),
        "head": traced(network.head.eval(), head_inputs, ["logits"]),
    }


def export(
    network: CompressedVideoNet,
    name: str,
    folder: Path,
    classes: list[str],
    about: dict[str, Any],
    measured: dict[str, Any],
) -> Path:
    """Writes graphs and card; `about` has `commercial_use`, `licence`, `data` and `recipe`. Gives the card's path."""
    digests = {}
    for role, model in graphs(network).items():
        content = model.SerializeToString()
        digests[role] = hashlib.sha256(content).hexdigest()
        write_atomically(folder / f"{name}_{role}.onnx", content)
    macs = {role: graph_cost(folder / f"{name}_{role}.onnx", 0, 0) for role in digests}
    card = {
        "name": name,
        "task": "action",
        "graphs": {role: f"{name}_{role}.onnx" for role in digests},
        "sha256": digests,
        "classes": classes,
        "inputs": ["image", "motion", "residual"],
        **{key: about[key] for key in ("commercial_use", "licence", "data", "recipe")},
        "measured": {
            "parameters": sum(parameter.numel() for parameter in network.parameters()),
            "macs": {role: int(cost.macs) for role, cost in macs.items()},
            "spiking_operations_dense": int(sum(macs["p_frame"].spiking.values())),
            **measured,
        },
    }
    text = yaml.safe_dump(card, sort_keys=False, allow_unicode=True, width=120, default_flow_style=None)
    write_atomically(folder / f"{name}.yaml", text.encode())
    return folder / f"{name}.yaml"


def load(checkpoint: Path) -> tuple[CompressedVideoNet, dict[str, Any]]:
    """The averaged network of a checkpoint of `training.action.task`, and what it says of itself."""
    saved = torch.load(checkpoint, map_location="cpu", weights_only=True)
    network = CompressedVideoNet(ActionConfig(**saved["config"]["network"]))
    network.load_state_dict(saved["average"])
    return network, saved["config"]


@command
def main(arguments: list[str] | None = None) -> int:
    """Writes a model from a checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--name", required=True)
    parser.add_argument("--models", type=Path, default=Path("models"))
    parser.add_argument("--measured", type=Path, help="JSON with figures for the card")
    args = parser.parse_args(arguments)
    with setting_up():
        network, about = load(args.checkpoint)
        measured = json.loads(args.measured.read_text()) if args.measured else {}
    print(export(network, args.name, args.models, about["classes"], about["card"], measured))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
