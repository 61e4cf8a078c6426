"""Which pictures of a stream to trust: from the sequence that its headers and times tell, in decoding and output order.

After a break every picture is untrusted until a clean start (an IDR, an I-frame that later pictures cannot look past,
the end of an intra refresh).
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass

from halsie_ros.video.codecs.packet_header import Sight
from halsie_ros.video.packets import Packet
from halsie_ros.video.timeline import Timeline

_ENDLESS = 600  # pictures without a start after which `endless_gop` is counted
_SHORT_PAUSE = 3  # pictures; one shorter cannot hide an IDR picture and those that make the counter fit again
_MOST_STAYS = 16  # VOPs without a picture that are remembered


@dataclass
class Tag:
    """What was known about a packet when it was decoded; comes back with its picture."""

    packet: Packet
    time: int
    sight: Sight
    reason: str
    number: int = 0
    complaint: str = ""
    proven: bool | None = None


class Trust:
    """Follows one stream.

    Attributes:
        broken: why pictures are untrusted, in decoding order; "" while they are trusted.
        paused: the same, noticed in output order.
    """

    def __init__(self, counts: Counter[str], interval: int, true_pts: bool) -> None:
        """Starts with nothing known.

        Args:
            counts: what happened is counted here, by cause.
            interval, true_pts: see `PacketStream`.
        """
        self.broken = "joined: no I-frame has come yet"
        self.paused = ""
        self._paused_at: Tag | None = None
        self._counts = counts
        self._true_pts = true_pts
        self._times, self._ticks = Timeline(interval), Timeline()
        self._sets: dict[str, bytes] = {}
        self._offered: dict[str, bytes] = {}
        self._size: tuple[int, int] | None = None
        self._refresh: int | None = None
        self._leading_until: int | None = None
        self._late_run = 0
        self._since_start = 0
        self._stays: deque[tuple[int, int]] = deque(maxlen=_MOST_STAYS)  # times at which a coder sent no picture

    @property
    def continuous(self) -> bool:
        """Whether the newest picture followed the one before without a pause."""
        return not self._times.pause

    @property
    def size(self) -> tuple[int, int] | None:
        """Width and height at the last start."""
        return self._size

    def restarts(self, time: int, sight: Sight) -> bool:
        """Whether a start comes from before what was given out: a new sender or a loop."""
        return sight.starts and self._times.last is not None and time < self._times.last

    def restart_time(self) -> None:
        """The next times begin anew."""
        self._counts["time_reset"] += 1
        self._times.restart()
        self._ticks.restart()

    def key_frame(self, tag: Tag) -> None:
        """Where no headers are read: the decoder says that this picture needs no other."""
        tag.sight.starts, tag.reason, self.broken = True, "", ""
        self._since_start = 0

    def distrust(self, cause: str, reason: str, *, spreads: bool = True) -> str:
        """Counts what happened; where it spreads to later pictures, they are untrusted until a clean start."""
        self._counts[cause] += 1
        if spreads:
            self._refresh = None
            if not self.broken or self.broken.startswith("joined"):
                self.broken = reason
        return reason

    def distrust_late(self, tag: Tag, cause: str, reason: str) -> str:
        """As `distrust`, for what shows in the picture alone: pictures decoded meanwhile are affected too."""
        if spreads(tag.sight):
            self._pause_at(tag, self.paused or reason)
        return self.distrust(cause, reason, spreads=spreads(tag.sight))

    def late(self, time: int, sight: Sight) -> bool:
        """Whether the packet belongs before pictures already given; it is dropped, they were right without it."""
        last = self._times.last
        if sight.starts or last is None or time >= last:
            self._late_run = 0
            return False
        self._counts["late"] += 1
        self._late_run += 1
        if self._late_run > 1:
            self.distrust("time_reset", f"time ran back from {last} to {time} without an I-frame")
        return True

    def judge(self, sight: Sight, time: int, resized: Callable[[], bool]) -> str:
        """Moves the trust on, in decoding order; gives the reason why this packet's picture is untrusted.

        `resized` says whether the packet is a whole picture of another size; it is asked only where that matters.
        """
        if not sight.kind:
            self._confirm_sets(sight, resized)
            if sight.time is not None:
                self._stays.append((time, sight.time))
            return self.broken
        self._since_start = 0 if sight.starts else self._since_start + 1
        if self._since_start == _ENDLESS:
            self._counts["endless_gop"] += 1
        confirmed = self._confirm_sets(sight, resized)
        if sight.starts and confirmed:
            if self.broken or self.paused:
                self._leading_until = time
            self.broken, self._refresh = "", None
            if self._size not in (None, sight.size):
                self._counts["size_changed"] += 1
            self._size = sight.size
            return ""
        if sight.missing and not sight.starts:
            self.distrust("lost", f"lost: {sight.missing}")
        if not confirmed:
            return self.broken
        if self.broken and sight.recovers_in is not None and self._refresh is None:
            self._refresh = sight.recovers_in
        elif self._refresh is not None and sight.reference:
            self._refresh -= 1
            if self._refresh <= 0:
                self.broken, self.paused, self._refresh = "", "", None
        if self._leading_until is not None:
            if time < self._leading_until:
                return "leads an I-frame after a break: what it refers to is missing"
            self._leading_until = None
        return "" if sight.kind == "I" else self.broken

    def _confirm_sets(self, sight: Sight, resized: Callable[[], bool]) -> bool:
        """Whether the parameter sets can be believed: those known, or twice the same new ones, as one may be damaged.

        For another picture size, it is enough that the picture ends where its data ends.
        """
        for name, content in (sight.sets or {}).items():
            known = self._sets.get(name)
            if known == content:
                self._offered.pop(name, None)
            elif known is None or self._offered.get(name) == content or resized():
                self._sets[name] = content
                self._offered.pop(name, None)
            else:
                self._offered[name] = content
        if self._offered and sight.sets:
            names = ", ".join(sorted(self._offered))
            self.distrust(
                "parameters_changed", f"parameter set {names} changed at the same size: waiting to see it again"
            )
        return not self._offered

    def follow_time(self, tag: Tag) -> str:
        """Looks for a pause before a picture, in output order; gives the reason why it is untrusted."""
        sight = tag.sight
        while self._stays and self._stays[0][0] < tag.time:  # the picture before stayed: nothing is missing
            time, ticks = self._stays.popleft()
            self._ticks.push(ticks)
            if self._true_pts:
                self._times.push(time)
        if self._true_pts:
            self._times.push(tag.time)
        if sight.time is not None:
            self._ticks.push(sight.time)
        if sight.starts and not self._outlives(self._paused_at, tag):
            self.paused = ""
        if sight.starts or sight.kind == "I":
            return ""
        if tag.reason or self.paused:
            return self.paused
        pause = self._pause(sight)
        if pause:
            self._pause_at(tag, f"lost: {pause} pictures are missing before this one, by its time")
            self._counts["lost"] += 1
            self._refresh = None
            return self.paused
        settled = (self._true_pts and self._times.settled) or (sight.time is not None and self._ticks.settled)
        if not (sight.counted or sight.checked or settled):
            return "unsettled: the stream's interval is not known yet, a loss would go unnoticed"
        return ""

    def _pause_at(self, tag: Tag, reason: str) -> None:
        self.paused, self._paused_at = reason, tag

    @staticmethod
    def _outlives(paused: Tag | None, start: Tag) -> bool:
        """Whether what was noticed at a picture comes after a start, though that is given out later: a lost start makes
        the next group's B-pictures look as if they belonged before the last start."""
        return paused is not None and paused.number > start.number and paused.time > start.time

    def _pause(self, sight: Sight) -> int:
        """Pictures missing before this one by the packets' times and the stream's own.

        A stream's own counter is believed before the packets' times, which may be uneven for other reasons, as far as
        it cannot have gone round.
        """
        pause = self._times.pause if self._true_pts else 0
        if sight.counted:
            # a lost IDR picture starts the counter anew: after enough others it fits again
            return pause if sight.doubtful or pause > _SHORT_PAUSE else 0
        if sight.checked:
            return pause if pause > 1 else 0
        if sight.time is not None and self._ticks.settled:
            return pause if pause * self._ticks.usual * 4 >= sight.wrap * 3 else self._ticks.pause
        return max(pause, self._ticks.pause if sight.time is not None else 0)


def spreads(sight: Sight) -> bool:
    """Whether damage in a picture can reach others; H.264's mark of an unreferenced picture may itself be damaged."""
    return sight.reference or sight.counted
