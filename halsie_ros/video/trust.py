"""Which pictures of a stream to trust: from the sequence that its headers and times tell, in decoding and output order.

After a break every picture is untrusted until a clean start (an IDR, an I-frame that later pictures cannot look past,
the end of an intra refresh). What is found out is counted; the verdicts are the caller's to apply.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass

from halsie_ros.video.codecs.packet_header import Sight
from halsie_ros.video.packets import Packet
from halsie_ros.video.timeline import Timeline
from halsie_ros.video.times import Moment

_ENDLESS = 600  # pictures without a start after which `endless_gop` is counted
_LONG_NS, _LONG = 5_000_000_000, 100  # without a start, after which the encoder's setting is named
_SHORT_PAUSE = 3  # pictures; one shorter cannot hide an IDR picture and those that make the counter fit again
_MOST_STAYS = 16  # VOPs without a picture that are remembered
_MOST_SETS = 8  # contents of a parameter set that are remembered
_JOINED, _SETS = "joined", "sets"  # breaks that say no more than that the start was missed
_KEY_SETTING = (
    "set the encoder's key frame interval to about a second (FFmpeg: -g, x264: keyint, GStreamer: key-int-max, "
    "ROS encoders: gop_size)"
)


@dataclass
class Tag:
    """What was known about a packet when it was decoded; comes back with its picture."""

    packet: Packet
    moment: Moment
    sight: Sight
    reason: str
    number: int = 0
    complaint: str = ""
    proven: bool | None = None


class Trust:
    """Follows one stream."""

    def __init__(self, counts: Counter[str], interval: int, true_pts: bool) -> None:
        """Starts with nothing known.

        Args:
            counts: what happened is counted here, by cause.
            interval, true_pts: see `PacketStream`.
        """
        self._cause, self._reason = _JOINED, "joined: no I-frame has come yet"
        self._paused = ""
        self._paused_at: Tag | None = None
        self._counts = counts
        self._true_pts = true_pts
        self._times, self._ticks = Timeline(interval), Timeline()
        self._sets: dict[str, deque[bytes]] = {}
        self._offered: dict[str, deque[bytes]] = {}
        self._unconfirmed: set[str] = set()
        self._size: tuple[int, int] | None = None
        self._refresh: int | None = None
        self._leading = False  # what was lost before the last start may be what its leading pictures refer to
        self._late_run = 0
        self._since_start = 0
        self._broken_ns: int | None = None
        self._waited_ns = self._broken_for = self._intra = (
            0  # time, packets, and I-frames among them, since the stream broke
        )
        self._stays: deque[tuple[int, int]] = deque(maxlen=_MOST_STAYS)  # times at which a coder sent no picture

    @property
    def broken(self) -> str:
        """Why pictures are untrusted, in decoding order; "" while they are trusted."""
        if not self._reason or not self._overdue:
            return self._reason
        if self._intra:
            there = f"{self._intra} I-frames, but none at which decoding may start (IDR, or a recovery point message)"
            remedy = "switch the encoder's open GOPs off, or let it send IDR pictures"
        else:
            there, remedy = "no I-frame and no recovery point", _KEY_SETTING
        since = "" if self._cause in (_JOINED, _SETS) else f" since: {self._reason}"
        return f"{there} in {self._overdue / 1e9:.0f} s ({self._broken_for} packets){since}: {remedy}"

    @property
    def paused(self) -> str:
        """Why pictures are untrusted, noticed in output order; "" while they are trusted."""
        return self._paused

    @property
    def endless(self) -> bool:
        """Whether no picture came at which decoding could start, for so long that it is the encoder's setting."""
        return bool(self._reason and self._overdue)

    @property
    def _overdue(self) -> int:
        return self._waited_ns if self._waited_ns >= _LONG_NS and self._broken_for >= _LONG else 0

    @property
    def continuous(self) -> bool:
        """Whether the newest picture followed the one before without a pause."""
        return not self._times.pause

    @property
    def size(self) -> tuple[int, int] | None:
        """Width and height at the last start."""
        return self._size

    def wait(self, stamp_ns: int, sight: Sight | None) -> None:
        """Counts the packets of a broken stream; `sight` is None for one that could not be read."""
        if not self._reason:
            self._broken_ns, self._waited_ns, self._broken_for, self._intra = None, 0, 0, 0
            return
        if self._broken_ns is None or stamp_ns < self._broken_ns:
            self._broken_ns = stamp_ns
        self._waited_ns = stamp_ns - self._broken_ns
        self._broken_for += 1
        self._intra += sight is not None and sight.kind == "I"
        if sight is not None and sight.kind and self._cause == _SETS:  # the sets have come since
            self._cause, self._reason = _JOINED, "joined: no I-frame has come yet"

    def restarts(self, time: int, starts: bool) -> bool:
        """Whether a start comes from before what was given out: a new sender or a loop."""
        return starts and self.is_past(time)

    def restart_time(self, *, another: bool = False) -> None:
        """The next times begin anew; `another`: they are of another kind, whose interval is not known."""
        if another:
            self._times = Timeline()
            self._stays.clear()
            return
        self._counts["time_reset"] += 1
        self._times.restart()
        self._ticks.restart()

    def rejoin(self, reason: str) -> None:
        """Nothing is known of what comes next, unless something worse is."""
        if not self._reason:
            self._cause, self._reason = _JOINED, reason

    def key_frame(self, tag: Tag) -> None:
        """Where no headers are read: the decoder says that this picture needs no other."""
        tag.sight.starts, tag.reason = True, ""
        self._mend()
        self._since_start = 0

    def _mend(self) -> None:
        self._cause = self._reason = ""
        self._refresh = None

    def distrust(self, cause: str, reason: str, *, spreads: bool = True) -> str:
        """Counts what happened; where it spreads to later pictures, they are untrusted until a clean start.

        The first reason stands, unless it says no more than that the stream has not begun yet.
        """
        self._counts["headers" if cause == _SETS else cause] += 1
        if spreads:
            self._refresh = None
            if not self._reason or self._cause == _JOINED or (self._cause == _SETS and cause != _SETS):
                self._cause, self._reason = cause, reason
        return reason

    def distrust_late(self, tag: Tag, cause: str, reason: str) -> str:
        """As `distrust`, for what shows in the picture alone: pictures decoded meanwhile are affected too."""
        if spreads(tag.sight):
            self._pause_at(tag, self._paused or reason)
        return self.distrust(cause, reason, spreads=spreads(tag.sight))

    def is_past(self, time: int) -> bool:
        """Whether a time lies before the newest picture given."""
        return self._times.last is not None and time < self._times.last

    def late(self, time: int | None, starts: bool) -> bool:
        """Whether the packet belongs before pictures already given; it is dropped, they were right without it."""
        last = self._times.last
        if starts or last is None or time is None or time >= last:
            self._late_run = 0
            return False
        self._counts["late"] += 1
        self._late_run += 1
        if self._late_run > 1:
            self.distrust("time_reset", f"time ran back from {last} to {time} without an I-frame")
        return True

    def doubts(self, sight: Sight) -> bool:
        """Whether a picture of another size comes with parameter sets never seen, so that a proof would help."""
        if sight.size in (None, self._size) or not sight.starts:
            return False
        return any(
            name in self._sets and content not in self._sets[name] and content not in self._offered.get(name, ())
            for name, content in (sight.sets or {}).items()
        )

    def confirm(self, sight: Sight) -> None:
        """Takes parameter sets that came without a picture."""
        self._confirm_sets(sight, whole=False)

    def judge(self, sight: Sight, moment: Moment, *, whole: bool = False) -> str:
        """Moves the trust on, in decoding order; gives the reason why this packet's picture is untrusted.

        `whole` says that a picture of another size was seen to end where its data end.
        """
        if not sight.kind:
            self._confirm_sets(sight, whole)
            if sight.time is not None:
                self._stays.append((moment.order, sight.time))
            return self.broken
        self._since_start = 0 if sight.starts else self._since_start + 1
        if self._since_start == _ENDLESS:
            self._counts["endless_gop"] += 1
        confirmed = self._confirm_sets(sight, whole)
        if sight.starts and confirmed:
            self._leading = bool(self._reason or self._paused)
            self._mend()
            if self._size not in (None, sight.size):
                self._counts["size_changed"] += 1
            self._size = sight.size
            return ""
        if sight.missing and not sight.starts:
            self.distrust("lost", f"lost: {sight.missing}")
        if not confirmed:
            return self.broken
        if self._reason and sight.recovers_in is not None and self._refresh is None:
            self._refresh = sight.recovers_in
        elif self._refresh is not None and sight.reference:
            self._refresh -= 1
            if self._refresh <= 0:
                self._mend()
                self._paused = ""
        self._leading &= sight.leads or sight.kind == "I"
        if self._leading and sight.leads:
            return "leads an I-frame after a break: what it refers to is missing"
        return "" if sight.kind == "I" else self.broken

    def _confirm_sets(self, sight: Sight, whole: bool) -> bool:
        """Whether the parameter sets can be believed: those known, or twice the same new ones, as one may be damaged.

        For another picture size, it is enough that the picture ends where its data end.
        """
        for name, content in (sight.sets or {}).items():
            known = self._sets.setdefault(name, deque(maxlen=_MOST_SETS))
            offered = self._offered.setdefault(name, deque(maxlen=_MOST_SETS))
            if content in known or not known or content in offered or whole:
                if content not in known:
                    known.append(content)
                self._unconfirmed.discard(name)
            else:
                offered.append(content)
                self._unconfirmed.add(name)
        if self._unconfirmed and sight.sets:
            names = ", ".join(sorted(self._unconfirmed))
            self.distrust(
                "parameters_changed", f"parameter set {names} changed at the same size: waiting to see it again"
            )
        return not self._unconfirmed

    def follow_time(self, tag: Tag) -> str:
        """Looks for a pause before a picture, in output order; gives the reason why it is untrusted."""
        sight, time = tag.sight, tag.moment.order
        while self._stays and self._stays[0][0] < time:  # the picture before stayed: nothing is missing
            stayed, ticks = self._stays.popleft()
            self._ticks.push(ticks)
            if self._true_pts:
                self._times.push(stayed)
        if self._true_pts:
            self._times.push(time)
        if sight.time is not None:
            self._ticks.push(sight.time)
        if sight.starts and not self._outlives(self._paused_at, tag):
            self._paused = ""
        if sight.starts or sight.kind == "I":
            return ""
        if tag.reason or self._paused:
            return self._paused
        pause = self._pause(sight)
        if pause:
            self._pause_at(tag, f"lost: {pause} pictures are missing before this one, by its time")
            self._counts["lost"] += 1
            self._refresh = None
            return self._paused
        settled = (self._true_pts and self._times.settled) or (sight.time is not None and self._ticks.settled)
        if not (sight.counted or sight.checked or settled):
            return "unsettled: the stream's interval is not known yet, a loss would go unnoticed"
        return ""

    def _pause_at(self, tag: Tag, reason: str) -> None:
        self._paused, self._paused_at = reason, tag

    @staticmethod
    def _outlives(paused: Tag | None, start: Tag) -> bool:
        """Whether what was noticed at a picture comes after a start, though that is given out later: a lost start makes
        the next group's B-pictures look as if they belonged before the last start."""
        return paused is not None and paused.number > start.number and paused.moment.order > start.moment.order

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
