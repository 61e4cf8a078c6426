"""Loads the compiled kernels before the first packet comes."""

from __future__ import annotations

from halsie_ros.events.clock import SensorClock
from halsie_ros.events.codecs import PACKET_CODECS
from halsie_ros.events.events import Events
from halsie_ros.events.messages import EventTopicDecoder, encode_event_array, encode_event_packet
from halsie_ros.events.voxel import bin_counts
from halsie_ros.events.windows import EventRing


def warm() -> None:
    """Runs every kernel of the live path once, on a handful of events.

    A node calls this before it becomes active: after the first run on a machine the kernels come from numba's cache
    (beside the sources, or in the user's cache folder where those are read-only) in well under a second; the first
    time they are compiled, which takes some ten seconds.
    """
    size = {"width": 4, "height": 4}
    events = Events.of([0, 1, 2], [0, 1, 2], [10, 20, 30], [0, 1, 1])
    decoded = events
    for encoding in PACKET_CODECS:
        message = encode_event_packet(events, encoding=encoding, stamp_ns=1000, frame_id="", seq=0, **size)
        batch = EventTopicDecoder("event_camera_msgs/msg/EventPacket").push(message)
        decoded = SensorClock().localize(batch)[0].events
    EventTopicDecoder("dvs_msgs/msg/EventArray").push(encode_event_array(events, stamp_ns=1000, frame_id="", **size))
    ring = EventRing(4)
    ring.push(decoded)
    ring.push(Events(decoded.x, decoded.y, decoded.t_us[::-1].copy(), decoded.polarity))
    newest = int(decoded.t_us[-1])
    cut = ring.cut(newest - 50, newest)
    bin_counts(cut, t0_us=newest - 50, bin_us=10, bins=5, height=4, width=4)
