"""Networks of exported models, to train on from or to learn from: what `training.segmentation.export` did, undone.

An exported convolution holds its norm's scale; what a norm would measure is not in the file. It is measured anew on
training items (`recalibrate_batch_norms`), so that the network gives what the model gives and can be trained on.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from halsie_ros.inference.cards import ModelCard, find_model
from training.core.command import TrainingError
from training.networks.halsie import EVENT_LAYERS, HalsieStream, StreamConfig
from training.networks.layers import ConvNorm

ALIKE = {
    ("background", "sky"), ("person", "pedestrian"), ("sidewalk", "pavement"), ("vegetation", "tree"),
    ("vehicle", "car"), ("wall", "building"), ("traffic sign", "sign symbol"),
}  # fmt: skip
"""Names of DSEC's classes, and what CamVid calls the same."""
ALIKE |= {(theirs, ours) for ours, theirs in ALIKE} | {("bicyclist", "person")}


def network_of(model: str | Path) -> HalsieStream:
    """The network of a segmentation model (a card's path, or a name in models/), its norms doing nothing yet but shift.

    Raises:
        ModelError: there is no such model.
        TrainingError: the model's graphs are not those of a spiking `HalsieStream`.
    """
    card = ModelCard.load(find_model(model))
    card.verify()
    weights: dict[str, np.ndarray] = {}
    for role in ("frame", "step"):
        weights |= _weights(onnx.load(str(card.graph(role))))
    _join_parts(weights, "event_branch.currents.0.conv")
    try:
        channels = [len(weights[f"event_branch.currents.{k}.conv.weight"]) for k in range(len(EVENT_LAYERS))]
        config = StreamConfig(
            classes=len(card.classes),
            bins=card.bins,
            mixer="context.upper.merge.conv.weight" in weights,
            event_channels=(channels[0], channels[1], channels[2]),
            memory=len(weights["update.bias"]) // 3,
            deep=(len(weights["down.conv.weight"]), len(weights["context.lower.0.conv.weight"])),
            deeper="frame_branch.deepest.conv.weight" in weights,
        )
    except KeyError as error:
        raise TrainingError(f"{card.path}: its graphs have no {error}: export the model again") from error
    network = HalsieStream(config)
    state = network.state_dict()
    for name, module in network.named_modules():
        if isinstance(module, ConvNorm) and isinstance(norm := module.norm, nn.BatchNorm2d):
            weights[f"{name}.norm.bias"] = weights.pop(f"{name}.conv.bias", np.empty(0))
            state[f"{name}.norm.weight"] = torch.full_like(norm.weight, (1 + norm.eps) ** 0.5)
    learned = {name for name, _ in network.named_parameters() if not name.endswith("norm.weight")}
    wrong = learned ^ set(weights) or {name for name in learned if tuple(state[name].shape) != weights[name].shape}
    if wrong:
        raise TrainingError(f"{card.path}: {min(wrong)} does not fit: export the model again")
    network.load_state_dict(state | {name: torch.from_numpy(one.copy()) for name, one in weights.items()})
    return network


def grow(network: HalsieStream, model: str | Path, names: tuple[str, ...]) -> None:
    """Gives a network what an exported one of other classes, or without the deeper stages, has; the rest stays.

    Classes take over the scores of the model's class of the same meaning (`ALIKE`), others begin with the mean of all.

    Args:
        network: of which every part that the model has, has the same shape, but for the scores.
        model: card or name.
        names: of the network's classes.
    """
    source = network_of(model)
    theirs = ModelCard.load(find_model(model)).classes
    given = source.state_dict()
    for part in ("decoder.scores.weight", "decoder.scores.bias"):
        old = given[part]
        rows = [old.mean(0)] * len(names)
        for place, name in enumerate(names):
            alike = [k for k, one in enumerate(theirs) if name == one or (name, one) in ALIKE]
            if alike:
                rows[place] = old[alike[0]]
        given[part] = torch.stack(rows)
    missing, unknown = network.load_state_dict(given, strict=False)
    if unknown or any(not name.startswith("frame_branch.") for name in missing):
        raise TrainingError(f"{model}: {(*unknown, *missing)[0]} does not fit: start from a network of the same parts")


def _weights(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    """Parameters by the network's names. What belongs to neurons lost its name in tracing: a threshold is what a
    layer's state is compared with, and the exponential of a constant is that of ``-log_tau``, layer by layer."""
    held = {tensor.name: numpy_helper.to_array(tensor).astype(np.float32) for tensor in model.graph.initializer}
    result = {
        name.removeprefix("network.").removesuffix("_half"): values
        for name, values in held.items()
        if name.startswith("network.")
    }
    leaks = 0
    for node in model.graph.node:
        if node.op_type == "Greater" and node.input[0].removeprefix("state_") in EVENT_LAYERS:
            layer = EVENT_LAYERS.index(node.input[0].removeprefix("state_"))
            result[f"event_branch.neurons.{layer}.threshold"] = held[node.input[1]].reshape(-1)
        if node.op_type == "Exp" and node.input[0] in held:
            result[f"event_branch.neurons.{leaks}.log_tau"] = -held[node.input[0]].reshape(-1)
            leaks += 1
    return result


def _join_parts(weights: dict[str, np.ndarray], name: str) -> None:
    """Puts a convolution that the export cut into parts together again, see `training.networks.layers.InParts`."""
    parts = sorted(one for one in weights if one.startswith(f"{name}.parts.") and one.endswith(".weight"))
    if parts:
        weights[f"{name}.weight"] = np.concatenate([weights.pop(one) for one in parts], 1)
        weights[f"{name}.bias"] = weights.pop(f"{name}.parts.0.bias")


@torch.no_grad()
def recalibrate_batch_norms(network: nn.Module, batches: Iterable[tuple[Tensor, ...]]) -> None:
    """Gives every norm the mean and variance of what it meets in `batches` (a network's inputs), and a scale and shift
    with which it does what it did before."""
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    sums: dict[nn.Module, Any] = {}

    def note(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        x = inputs[0].float()
        one = torch.stack((x.mean((0, 2, 3)), (x * x).mean((0, 2, 3)), torch.ones(x.shape[1])))
        sums[norm] = sums.get(norm, 0) + one

    handles = [norm.register_forward_pre_hook(note) for norm in norms]
    network.eval()
    for batch in batches:
        network(*batch)
    for handle in handles:
        handle.remove()
    for norm in norms:
        first, second, count = sums[norm]
        mean, variance = first / count, (second / count - (first / count) ** 2).clamp(min=1e-6)
        running_mean, running_var = cast(Tensor, norm.running_mean), cast(Tensor, norm.running_var)
        old = norm.weight / (running_var + norm.eps).sqrt()
        norm.bias.add_(old * (mean - running_mean))
        norm.weight.copy_(old * (variance + norm.eps).sqrt())
        running_mean.copy_(mean)
        running_var.copy_(variance)
