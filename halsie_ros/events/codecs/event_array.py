"""Arrays of events with x, y, ts and polarity each: dvs_msgs and prophesee_event_msgs, in ROS 2 and ROS 1."""

from __future__ import annotations

import numpy as np

from halsie_ros.errors import CodecError
from halsie_ros.events.events import Events
from halsie_ros.kernels import njit


@njit()
def _u16(data, at):
    return np.int64(data[at]) | np.int64(data[at + 1]) << 8


@njit()
def _u32(data, at):
    return _u16(data, at) | _u16(data, at + 2) << 16


@njit()
def decode(data, first, stride, rest, width, height, x, y, t, p):
    """Reads events at fixed offsets.

    Args:
        data: the message, ``(n,) uint8``; the caller has checked that all offsets lie inside.
        first: where x, y, seconds, nanoseconds and polarity of event 0 are, ``(5,) int64``.
        stride: bytes from event k to event k + 1, k >= 1.
        rest: where they would be for event 0 had it the alignment of the others, ``(5,) int64``; row 5 of the
            count: ``rest[5]`` is the number of events.
        width: sensor columns.
        height: sensor rows.
        x: columns to fill, with room for all; likewise y, t and p.

    Returns:
        The number of events inside the sensor.
    """
    count = rest[5]
    n = 0
    at_x, at_y, at_s, at_n, at_p = first[0], first[1], first[2], first[3], first[4]
    for k in range(count):
        if k == 1:
            at_x, at_y, at_s, at_n, at_p = rest[0], rest[1], rest[2], rest[3], rest[4]
            at_x, at_y, at_s, at_n, at_p = at_x + stride, at_y + stride, at_s + stride, at_n + stride, at_p + stride
        column = _u16(data, at_x)
        row = _u16(data, at_y)
        if column < width and row < height:
            x[n] = column
            y[n] = row
            t[n] = _u32(data, at_s) * 1_000_000 + _u32(data, at_n) // 1000
            p[n] = data[at_p] != 0
            n += 1
        if k:
            at_x, at_y, at_s, at_n, at_p = at_x + stride, at_y + stride, at_s + stride, at_n + stride, at_p + stride
    return n


def encode(events: Events) -> bytes:
    """The CDR bytes of `dvs_msgs/Event[]` from an offset that 4 divides: count, then the events.

    Raises:
        CodecError: a time before 1970 or after 2038, which `builtin_interfaces/Time` cannot hold.
    """
    if not len(events):
        return (0).to_bytes(4, "little")
    if events.t_us.min() < 0 or events.t_us.max() >= (1 << 31) * 1_000_000:
        raise CodecError(
            f"event times {events.t_us.min()} to {events.t_us.max()} us do not fit into seconds of 31 bits"
        )
    # From the second event on x and y use the padding that the polarity before them leaves: one stride of 16 holds
    # seconds, nanoseconds and polarity of event k, and x and y of event k + 1.
    tail = np.zeros(
        len(events), {"names": ["s", "n", "p", "x", "y"], "formats": ["<u4", "<u4", "u1", "<u2", "<u2"],
                      "offsets": [0, 4, 8, 10, 12], "itemsize": 16}
    )  # fmt: skip
    tail["s"], remainder = np.divmod(events.t_us, 1_000_000)
    tail["n"] = remainder * 1000
    tail["p"] = events.polarity
    tail["x"][:-1] = events.x[1:]
    tail["y"][:-1] = events.y[1:]
    head = np.array([len(events)], "<u4").tobytes() + np.array([events.x[0], events.y[0]], "<u2").tobytes()
    return head + tail.tobytes()[: 16 * len(events) - 7]
