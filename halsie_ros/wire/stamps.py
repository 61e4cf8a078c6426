"""Stamps of messages (seconds and nanoseconds) and the nanoseconds that the package counts in."""

from __future__ import annotations

from typing import Any

SECOND_NS = 1_000_000_000


def stamp_to_ns(stamp: Any) -> int:
    """Nanoseconds of a builtin_interfaces/Time, of whichever library made it.

    Example: sec 2, nanosec 5 gives 2_000_000_005.
    """
    return int(stamp.sec) * SECOND_NS + int(stamp.nanosec)


def ns_to_stamp(stamp_ns: int) -> tuple[int, int]:
    """Seconds and nanoseconds, the two fields of a builtin_interfaces/Time; the inverse of `stamp_to_ns`."""
    return divmod(int(stamp_ns), SECOND_NS)
