"""The quality of service of every topic, in one place (docs/architecture.md, Contracts)."""

from __future__ import annotations

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

IMAGE_DEPTH = 2
EVENTS_DEPTH = 1000
PACKETS_DEPTH = 200
OUTPUT_DEPTH = 2

_RELIABILITY = {"reliable": ReliabilityPolicy.RELIABLE, "best_effort": ReliabilityPolicy.BEST_EFFORT}
RELIABILITIES = tuple(_RELIABILITY)


def input_qos(depth: int) -> QoSProfile:
    """Best effort, so that it matches every publisher, and keeps the newest `depth` messages."""
    return QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=depth, reliability=ReliabilityPolicy.BEST_EFFORT)


def output_qos(reliability: str = "reliable") -> QoSProfile:
    """A stream of results: `reliability` is "reliable" (matches every subscriber) or "best_effort"."""
    return QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=OUTPUT_DEPTH, reliability=_RELIABILITY[reliability])


def latched_qos() -> QoSProfile:
    """One message that late subscribers get too."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=1,
        reliability=ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL,
    )
