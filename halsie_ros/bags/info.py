"""What a bag holds: topics and rates, and of every event topic what its events say."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from halsie_ros.bags.reader import BagReader, TopicInfo, open_bag
from halsie_ros.errors import CodecError
from halsie_ros.events.messages import EventBatch, EventTopicDecoder

GAP_NS = 100_000_000
"""Silence between two messages that is reported as a gap."""


def describe(path: str | Path, *, partial: bool = False) -> dict[str, Any]:
    """The content of `halsie bag info`: the bag, and ``topics`` by name. Reads every event message.

    With `partial` cut files are read up to the cut; ``cut`` then has one line for each.

    A topic's ``rate_hz`` is over its own span, from its first message to its last: one that began late or ended early
    is as fast as it was while it lasted.
    """
    with open_bag(path, partial=partial) as bag:
        topics: dict[str, Any] = {}
        events = bag.event_topics()
        duration_s = (bag.end_ns - bag.start_ns) / 1e9
        for name, topic in sorted(bag.topics.items()):
            first_ns, last_ns = bag.span_ns(name)
            rate = (topic.count - 1) / ((last_ns - first_ns) / 1e9) if last_ns > first_ns else 0.0
            topics[name] = {"type": topic.type, "messages": topic.count, "rate_hz": rate}
            if name in events:
                topics[name] |= _EventSummary(bag, name).values()
            elif topic.type.rpartition("/")[2].startswith("Event"):
                topics[name]["not_read"] = _why_not(topic)
        return {
            "path": str(path),
            "storage": bag.storage,
            "duration_s": duration_s,
            "start_ns": bag.start_ns,
            "end_ns": bag.end_ns,
            "messages": bag.count,
            "metadata": bag.custom_data,
            "cut": list(bag.cut),
            "topics": topics,
        }


def _why_not(topic: TopicInfo) -> str:
    """Why a topic that is called events is not read as such."""
    try:
        EventTopicDecoder(topic.type, serialization=topic.serialization, definition=topic.definition)
    except CodecError as error:
        return str(error)
    return ""


class _EventSummary:
    """Counts over the events of one topic."""

    def __init__(self, bag: BagReader, topic: str) -> None:
        info = bag.topics[topic]
        decoder = EventTopicDecoder(info.type, serialization=info.serialization, definition=info.definition)
        self.counts: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter()
        self.sensor = ("", 0, 0)
        self.first_us: int | None = None
        self.last_us: int | None = None
        self.first_error = ""
        last_ns = None
        for _, log_ns, payload in bag.messages([topic]):
            self.counts["gaps"] += last_ns is not None and log_ns - last_ns > GAP_NS
            last_ns = log_ns
            try:
                self._add(decoder.push(payload, log_ns))
            except CodecError as error:
                self.counts["bad_messages"] += 1
                self.first_error = self.first_error or str(error)

    def _add(self, batch: EventBatch) -> None:
        events, triggers = batch.events, batch.triggers
        on, rising = int(events.polarity.sum()), int(np.count_nonzero(triggers.value))
        self.counts.update(
            on=on,
            off=len(events) - on,
            triggers_rising=rising,
            triggers_falling=len(triggers) - rising,
            sum_us=int(events.t_us.sum()) + int(triggers.t_us.sum()),
            lost_messages=batch.lost,
        )
        self.dropped.update(batch.dropped)
        self.sensor = (batch.encoding, batch.width, batch.height)
        if len(events):
            times = events.t_us if self.last_us is None else np.concatenate([[self.last_us], events.t_us])
            self.counts["out_of_order"] += int(np.count_nonzero(np.diff(times) < 0))
            self.first_us = int(events.t_us[0]) if self.first_us is None else self.first_us
            self.last_us = int(events.t_us[-1])

    def values(self) -> dict[str, Any]:
        """The keys of an event topic."""
        encoding, width, height = self.sensor
        span_s = ((self.last_us or 0) - (self.first_us or 0)) / 1e6
        events = self.counts["on"] + self.counts["off"]
        names = ("on", "off", "triggers_rising", "triggers_falling", "sum_us", "bad_messages", "lost_messages", "gaps")
        return {
            "encoding": encoding,
            "width": width,
            "height": height,
            **{name: self.counts[name] for name in (*names, "out_of_order")},
            "first_us": self.first_us,
            "last_us": self.last_us,
            "events_per_s": events / span_s if span_s > 0 else 0.0,
            "dropped": dict(self.dropped),
            "first_error": self.first_error,
        }


def as_text(content: dict[str, Any]) -> str:
    """The content for people."""
    lines = [f"{content['path']}  {content['storage']}  {content['duration_s']:.3f} s  {content['messages']} messages"]
    lines += [f"  {key}: {value}" for key, value in content["metadata"].items()]
    lines += [f"  {line}" for line in content["cut"]]
    for name, topic in content["topics"].items():
        lines.append(f"{name}  {topic['type']}  {topic['messages']} messages, {topic['rate_hz']:.1f} Hz")
        if topic.get("not_read"):
            lines.append(f"    not read as events: {topic['not_read']}")
        if "on" not in topic:
            continue
        lines.append(
            f"    {topic['width']}x{topic['height']} {topic['encoding']}: {topic['on']} on, {topic['off']} off, "
            f"{topic['events_per_s'] / 1e6:.3f} Mevents/s, triggers {topic['triggers_rising']} rising "
            f"{topic['triggers_falling']} falling"
        )
        lines.append(f"    sensor time {topic['first_us']} to {topic['last_us']} us, sum {topic['sum_us']}")
        faults = {key: topic[key] for key in ("bad_messages", "lost_messages", "gaps", "out_of_order")} | topic[
            "dropped"
        ]
        lines.append("    " + (", ".join(f"{n} {cause}" for cause, n in faults.items() if n) or "no faults"))
        if topic["first_error"]:
            lines.append(f"    first bad message: {topic['first_error']}")
    return "\n".join(lines)
