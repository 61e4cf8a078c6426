"""Networks of which a training leaves something as it is."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from training.networks.halsie import SegmentationNetwork


class FrozenNorms(SegmentationNetwork):
    """A network whose batch norms stay in evaluation, whatever mode it is in; checkpoints name its parts as without.

    Args:
        network: the network.
        parts: names of those whose norms stay, and whose weights stay as well; none: the norms of all.
    """

    def __init__(self, network: SegmentationNetwork, parts: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.network, self.config, self.size_multiple = network, network.config, network.size_multiple
        self._still = [network.get_submodule(name) for name in parts] or [network]
        for name in parts:
            network.get_submodule(name).requires_grad_(False)
        self.train()

    def train(self, mode: bool = True) -> FrozenNorms:
        """As `nn.Module.train`, except for the norms."""
        super().train(mode)
        for module in (module for part in self._still for module in part.modules()):
            if isinstance(module, nn.modules.batchnorm._BatchNorm):  # synchronised ones, too
                module.eval()
        return self

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """The network's own."""
        return self.network.state_dict(*args, **kwargs)

    def load_state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """The network's own."""
        return self.network.load_state_dict(*args, **kwargs)

    def forward(self, *inputs: Any) -> Any:
        """The network's own."""
        return self.network(*inputs)

    def frame(self, image: Tensor) -> Any:
        """The network's own."""
        return self.network.frame(image)

    def step(self, *args: Any, **kwargs: Any) -> Any:
        """The network's own."""
        return self.network.step(*args, **kwargs)
