"""The action node while it is active: the packet subscription, the worker, and what they tell about themselves.

Packets are decoded in their order by the worker. When it falls behind, it goes on at the newest key picture
(`video.backlog`).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.lifecycle import LifecycleNode

from halsie_ros.action.pipeline import ActionPipeline
from halsie_ros.action.state import ActionScores, ActionState
from halsie_ros.errors import HalsieError
from halsie_ros.nodes import diagnostics, qos
from halsie_ros.nodes.action_output import ActionOutput
from halsie_ros.nodes.diagnostics import Statistics
from halsie_ros.nodes.parameters import Parameters
from halsie_ros.nodes.topics import DiscoveredSubscription
from halsie_ros.nodes.worker import Worker
from halsie_ros.video.backlog import Backlog, Waiting
from halsie_ros.video.packets import PACKET_TYPES, read_packet
from halsie_ros.video.stream import PacketStream

_JUMP_NS = 500_000_000
"""Stamps that go back further than this are no B-frames."""
_REMEMBERED = 256
"""Packets whose time of arrival is remembered: a picture may come some packets after its own."""
_BLIND_NOTES = ("stamps", "key_frames", "rotation")
"""Notes of the stream that make its status a warning: what is seen is not what the camera saw."""


class ActionStream:
    """Subscribes, decodes and labels from its making until `stop`.

    Args:
        node: owner of the subscription.
        pipeline: the model.
        output: where labels go.
        settings: the node's parameters.
    """

    def __init__(
        self, node: LifecycleNode, pipeline: ActionPipeline, output: ActionOutput, settings: Parameters
    ) -> None:
        self._logger = node.get_logger()
        self._pipeline = pipeline
        self._output = output
        self._settings = settings
        self._clock = node.get_clock()
        self._video = PacketStream(thorough=settings["thorough"], patient=False)
        self._said: set[str] = set()
        self._state: ActionState | None = None
        self._waiting = Backlog()
        self._received_s: dict[int, float] = {}
        self._packets = Statistics()
        self._labels = Statistics()
        self._scores: ActionScores | None = None
        self._newest_ns = 0
        self._size = (0, 0)
        self._codec = ""
        self._worker = Worker(self._take_packet, lambda now_s: None, self._decode, self._logger)
        self.retime()
        self._subscription = DiscoveredSubscription(
            node, "packets", PACKET_TYPES, qos.PACKETS_DEPTH, self._receive, raw=True
        )
        self.topics: Sequence[str] = (self._subscription.topic,)
        self._worker.start()

    def stop(self) -> None:
        """Ends subscription and worker."""
        self._subscription.stop()
        self._worker.stop()

    def retime(self) -> None:
        """Takes changed parameters into use."""
        names = ("label_rate_hz", "confidence", "min_segments")
        with self._worker.changed:
            self._pipeline.retime(**{name: self._settings[name] for name in names})

    def _receive(self, type_name: str, payload: bytes) -> None:
        try:
            packet = replace(read_packet(type_name, payload), received_ns=self._clock.now().nanoseconds)
        except HalsieError as error:
            self._packets.refuse("bad_packet", error)
            self._logger.warning(f"{self._subscription.topic}: {error}", throttle_duration_sec=5.0)
            return
        self._packets.count(len(packet.data))
        with self._worker.changed:
            self._packets.drop("superseded", self._waiting.add(packet, time.monotonic()))
            self._worker.changed.notify()

    def _take_packet(self, now_s: float) -> Waiting | None:
        return self._waiting.take()

    def _decode(self, item: Waiting) -> None:
        packet, received_s = item.packet, item.arrived_s
        if item.gap:
            self._video.gap()
        if packet.stamp_ns < self._newest_ns - _JUMP_NS:  # a bag that loops: what came before tells nothing about it
            self._video.reset()
            self._newest_ns = 0
        self._newest_ns = max(self._newest_ns, packet.stamp_ns)
        self._received_s[packet.stamp_ns] = received_s
        while len(self._received_s) > _REMEMBERED:
            del self._received_s[next(iter(self._received_s))]
        self._codec = packet.codec
        for frame in self._video.push(packet):
            self._size = (frame.width, frame.height)
            scores, self._state = self._pipeline.step(frame, self._state)
            if scores is None:
                continue
            self._scores = scores
            self._output.publish(scores, frame_id=packet.frame_id, top_k=self._settings["top_k"])
            self._labels.count()
            arrived_s = self._received_s.get(frame.stamp_ns, received_s)
            self._labels.latency((time.monotonic() - arrived_s) * 1e3)

    def statuses(self) -> list[DiagnosticStatus]:
        """How packets and labels fare."""
        return [self._packet_status(), self._action_status()]

    def _packet_status(self) -> DiagnosticStatus:
        subscription, video = self._subscription, self._video
        rate, byte_rate = self._packets.rates()
        causes = self._packets.causes
        values = {
            **subscription.values(),
            "codec": self._codec,
            "width": self._size[0],
            "height": self._size[1],
            "messages": self._packets.total,
            "messages_per_s": rate,
            "kbit_per_s": byte_rate / 125,
            "frames": video.frames,
            "untrusted": video.untrusted,
            "waiting": len(self._waiting),
            **{f"dropped_{name}": causes.get(name, 0) for name in ("bad_packet", "superseded")},
            **{f"stream_{name}": number for name, number in sorted(Counter(video.counts).items())},
        }
        level, message = diagnostics.stream_level(self._packets, subscription, self._settings["timeout_ms"])
        notes = self._note_once()
        values |= {f"note_{kind}": line for kind, line in sorted(notes.items())}
        if level == diagnostics.OK and not video.trusted:
            level, message = diagnostics.WARN, f"not to be trusted: {video.broken_by}"
        elif level == diagnostics.OK and any(kind in notes for kind in _BLIND_NOTES):
            level, message = diagnostics.WARN, next(notes[kind] for kind in _BLIND_NOTES if kind in notes)
        return diagnostics.status(level, "packets", message or f"{self._codec}, {rate:.1f} packets/s", values)

    def _note_once(self) -> dict[str, str]:
        """What the sender should mend: lastingly in the status, once in the log (warnings come there by the status)."""
        notes = self._video.notes
        for kind in sorted(notes.keys() - self._said - set(_BLIND_NOTES)):
            self._said.add(kind)
            self._logger.warning(f"{self._subscription.topic}: {notes[kind]}")
        return notes

    def _action_status(self) -> DiagnosticStatus:
        latency = self._labels.percentiles_ms() or (0.0, 0.0)
        scores = self._scores
        values = {
            "model": self._pipeline.card.name,
            "label": scores.label if scores else "",
            "reason": scores.reason if scores else "",
            "labels": self._labels.total,
            "labels_per_s": self._labels.rates()[0],
            "latency_p50_ms": latency[0],
            "latency_p95_ms": latency[1],
            "dropped_failed": self._worker.failures,
            **{f"spikes_{name}": share for name, share in (scores.spikes if scores else {}).items()},
        }
        if scores is None:
            return diagnostics.status(diagnostics.STALE, "action", "no label yet", values)
        level = diagnostics.WARN if scores.reason else diagnostics.OK
        return diagnostics.status(level, "action", scores.reason or scores.label, values)
