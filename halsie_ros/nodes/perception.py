"""Both senses in one process: the nodes `segmentation` and `action`, one callback thread, a worker each."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rclpy.node import Node

from halsie_ros.nodes.action import ActionNode
from halsie_ros.nodes.runtime import spin_node
from halsie_ros.nodes.segmentation import SegmentationNode


def create() -> Sequence[Node]:
    """The two nodes; neither is left behind when the other cannot start.

    Both are configured before either is activated: they share a thread for callbacks, and what one loads or compiles
    would keep the other from its messages.
    """
    nodes: list[SegmentationNode | ActionNode] = []
    try:
        for make in (SegmentationNode, ActionNode):
            nodes.append(make(hold=True))
        for node in nodes:
            node.begin()
    except BaseException:
        for node in nodes:
            node.destroy_node()
        raise
    return nodes


def main() -> int:
    """Entry point."""
    return spin_node(create)


if __name__ == "__main__":
    sys.exit(main())
