"""The quality of service of every topic, in one place (docs/architecture.md, Contracts)."""

from __future__ import annotations

from collections.abc import Iterable

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

IMAGE_DEPTH = 2
EVENTS_DEPTH = 1000
PACKETS_DEPTH = 200
OUTPUT_DEPTH = 2

_BEST_EFFORT = ReliabilityPolicy.BEST_EFFORT
_RELIABILITY = {"reliable": ReliabilityPolicy.RELIABLE, "best_effort": _BEST_EFFORT}
RELIABILITIES = tuple(_RELIABILITY)


def input_qos(depth: int, offered: Iterable[ReliabilityPolicy] = ()) -> QoSProfile:
    """Keeps the newest `depth` messages; reliable where every publisher offers that, else best effort.

    Best effort matches every publisher, but loses most of the large messages of one that is reliable: what does not fit
    its transport's buffer at once is sent again only to who asks for it.

    Args:
        depth: of the queue.
        offered: what the publishers offer; none is known: best effort.
    """
    policies = set(offered)
    reliability = ReliabilityPolicy.RELIABLE if policies == {ReliabilityPolicy.RELIABLE} else _BEST_EFFORT
    return QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=depth, reliability=reliability)


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
