"""Both senses in one process: the nodes `segmentation` and `action`, one callback thread, a worker each."""

from __future__ import annotations

import sys

from rclpy.node import Node

from halsie_ros.nodes.action import ActionNode
from halsie_ros.nodes.runtime import spin_node
from halsie_ros.nodes.segmentation import SegmentationNode


def create() -> list[Node]:
    """The two nodes; neither is left behind when the other cannot start."""
    nodes: list[Node] = []
    try:
        for make in (SegmentationNode, ActionNode):
            nodes.append(make())
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
