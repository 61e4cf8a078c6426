"""Encoded packets in, decoded pictures with motion and trust out.

FFmpeg flags almost no loss, so trust comes from the stream's own sequence: times, H.264's frame_num and picture order
count, MPEG-4's VOP time, parameter sets, and FFmpeg's complaints. Pictures of arithmetic-coded H.264 and of HEVC are
read once more, to see that their decoding ends where their data end; others are compared with the picture before
(`plausibility`). After a break every picture is untrusted until a clean start (an IDR, an I-frame that later pictures
cannot look past, the end of an intra refresh). Nothing here raises on a bad packet.

What is not found: moderate damage inside a packet of VP9 or AV1; now and then damage that turns variable-length codes
(MPEG-4, MPEG-2, H.264 without arithmetic coding) into others of the same length.
"""

from __future__ import annotations

from collections import Counter, deque
from copy import copy
from dataclasses import dataclass

import av
import numpy as np

from halsie_ros.video.bits import BitstreamError
from halsie_ros.video.decoder import UNCOMPLAINING, VECTOR_CODECS, Decoded, Decoder, Limits, luma_of
from halsie_ros.video.frame import VideoFrame
from halsie_ros.video.headers import header_reader
from halsie_ros.video.packets import Packet
from halsie_ros.video.plausibility import CHECKED, UNCHECKED, Plausibility
from halsie_ros.video.sequence import HeaderReader, Sight, UnreadHeaders
from halsie_ros.video.timeline import Timeline

_RECENT = 64  # packets remembered to recognize a duplicate
_MOST_TAGS = 128  # packets whose picture may still come
_MOST_HELD = 16  # B-frames between two reference pictures
_FAILED_PROOFS = 4  # pictures; a stream of which none could be read to its end before these is of an unknown kind
_MANY = 1_000_000
_ENDLESS = 600  # pictures without a start after which `endless_gop` is counted
_SHORT_PAUSE = 3  # pictures; one shorter cannot hide an IDR picture and those that make the counter fit again
_KINDS = {1: "I", 2: "P", 3: "B", 4: "P", 5: "I", 6: "P", 7: "B"}  # AVPictureType


@dataclass
class _Tag:
    """What was known about a packet when it was decoded; comes back with its picture."""

    packet: Packet
    time: int
    sight: Sight
    reason: str
    number: int = 0
    complaint: str = ""
    proven: bool | None = None


class PacketStream:
    """Decodes one live stream or file, packet by packet in decoding order.

    Attributes:
        counts: what happened, by cause: "joined", "lost", "damaged", "headers", "duplicate", "late", "time_reset",
            "empty", "too_large", "codec_changed", "size_changed", "parameters_changed", "implausible", "endless_gop".
        frames, untrusted: pictures given out, and those of them that are untrusted.
    """

    def __init__(
        self, limits: Limits | None = None, *, interval: int = 0, true_pts: bool = True, thorough: bool = True
    ) -> None:
        """Starts with nothing known.

        Args:
            limits: bounds on what the stream may claim.
            interval: the usual step of pts where it is known (files), else 0: it is learned.
            true_pts: False where pts are guessed (AVI has none) and tell nothing about losses.
            thorough: look for damage that FFmpeg does not report: read pictures to their end (about as long as decoding
                them), compare them with the ones before. Without it, damaged bytes within a packet may go unseen.
        """
        self.limits = limits or Limits()
        self._interval = interval
        self._true_pts = true_pts
        self._thorough = thorough
        self.counts: Counter[str] = Counter()
        self.frames = 0
        self.untrusted = 0
        self._decoder: Decoder | None = None
        self._extradata = b""
        self.reset()

    @property
    def trusted(self) -> bool:
        """Whether the next picture would be trusted, as far as is known."""
        return not self._broken and not self._paused

    @property
    def broken_by(self) -> str:
        """Why pictures are untrusted now; "" while they are trusted."""
        return self._broken or self._paused

    def reset(self) -> None:
        """Forgets the stream (a bag loop, a new sender); counts stay."""
        self._decoder = None
        self._reader: HeaderReader = UnreadHeaders()
        self._times, self._ticks = Timeline(self._interval), Timeline()
        self._recent: deque[tuple[int, int, int]] = deque(maxlen=_RECENT)
        self._sets: dict[str, bytes] = {}
        self._offered: dict[str, bytes] = {}
        self._size: tuple[int, int] | None = None
        self._broken = "joined: no I-frame has come yet"
        self._paused = ""  # as _broken, but noticed in output order
        self._paused_at: _Tag | None = None
        self._looks = Plausibility()
        self._follows = False
        self._refresh: int | None = None
        self._leading_until: int | None = None
        self._late_run = 0
        self._failed_proofs = 0
        self._stays: deque[tuple[int, int]] = deque(maxlen=_MOST_HELD)  # times at which a coder sent no picture
        self._since_start = 0
        self._number = 0
        self._tags: dict[int, _Tag] = {}
        self._newest: int | None = None
        self._reorders = False
        self._held: list[VideoFrame] = []
        self._reference: np.ndarray | None = None
        self._gop = -1
        self._step = 0

    def push(self, packet: Packet) -> list[VideoFrame]:
        """Decodes one packet; gives the pictures that are ready, in output order (none for a packet that is dropped).

        Raises:
            VideoError: this build of FFmpeg has no decoder for the packet's codec.
        """
        data = bytes(packet.data)
        if not data:
            self.counts["empty"] += 1
            return []
        decoder, given = self._decoder_for(packet)
        if len(data) > self.limits.max_packet_bytes:
            self._break(
                "too_large", f"packet of {len(data)} bytes is above max_packet_bytes {self.limits.max_packet_bytes}"
            )
            return given
        time = packet.stamp_ns if packet.pts is None else packet.pts
        identity = (packet.stamp_ns, time, hash(data))
        if identity in self._recent:
            self.counts["duplicate"] += 1
            return given
        self._recent.append(identity)
        before = copy(self._reader)
        try:
            sight = self._reader.read(data)
        except BitstreamError as error:
            self._break("headers", str(error))
            return given
        if self._refused(sight):
            return given
        if self._late(time, sight):
            self._reader = before
            return given
        if sight.starts and self._times.last is not None and time < self._times.last:
            given += self._take(self._flush()) + self._release()
            self.counts["time_reset"] += 1
            self._newest = None
            self._times.restart()
            self._ticks.restart()
        self._reorders |= self._newest is not None and time < self._newest
        self._newest = time if self._newest is None else max(time, self._newest)
        self._number += 1
        tag = _Tag(packet, time, sight, self._judge(sight, time, data), self._number)
        self._tags[self._number] = tag
        self._tags.pop(self._number - _MOST_TAGS, None)
        decoded = decoder.decode(data, self._number)
        if decoded.complaint:
            tag.complaint = decoded.complaint
            tag.reason = self._break("damaged", f"damaged: {decoded.complaint}", spreads=_spreads(sight))
        elif self._thorough and not tag.reason and self._failed_proofs < _FAILED_PROOFS:
            tag.proven = sight.ends()
            if tag.proven:
                self._failed_proofs = -_MANY
            elif tag.proven is False:
                self._failed_proofs += 1
                reason = "damaged: its decoding does not end where its data end"
                tag.reason = self._break("damaged", reason, spreads=_spreads(sight))
        return given + self._take(decoded)

    def flush(self) -> list[VideoFrame]:
        """The pictures still held for reordering; the next packet must start anew."""
        frames = self._take(self._flush()) + self._release()
        self._broken = self._broken or "joined: no I-frame has come since the stream was flushed"
        return frames

    def _flush(self) -> Decoded:
        return self._decoder.flush() if self._decoder else Decoded([], "")

    def _break(self, cause: str, reason: str, *, spreads: bool = True) -> str:
        """Counts what happened; where it spreads to later pictures, they are untrusted until a clean start."""
        self.counts[cause] += 1
        if spreads:
            self._refresh = None
            if not self._broken or self._broken.startswith("joined"):
                self._broken = reason
        return reason

    def _break_late(self, tag: _Tag, cause: str, reason: str) -> str:
        """As `_break`, for what shows in the picture alone: pictures decoded meanwhile are affected too."""
        if _spreads(tag.sight):
            self._pause_at(tag, self._paused or reason)
        return self._break(cause, reason, spreads=_spreads(tag.sight))

    def _decoder_for(self, packet: Packet) -> tuple[Decoder, list[VideoFrame]]:
        """The decoder of the packet's codec, and the pictures of the one before where the codec changed."""
        if self._decoder and self._decoder.codec == packet.codec and self._extradata == packet.extradata:
            return self._decoder, []
        frames: list[VideoFrame] = []
        if self._decoder:
            frames = self._take(self._flush()) + self._release()
            self.reset()
            self._broken = f"codec changed to {packet.codec}: no I-frame has come yet"
            self.counts["codec_changed"] += 1
        else:
            self.counts["joined"] += 1
        self._reader = header_reader(packet.codec, packet.extradata)
        self._decoder = Decoder(
            packet.codec, extradata=packet.extradata, size=(packet.width, packet.height), limits=self.limits
        )
        self._extradata = packet.extradata
        self._looks = Plausibility(UNCHECKED if packet.codec in UNCOMPLAINING else CHECKED)
        return self._decoder, frames

    def _refused(self, sight: Sight) -> bool:
        if sight.size is None or self.limits.allow(*sight.size):
            return False
        width, height = sight.size
        self._break(
            "too_large", f"picture of {width}x{height} is above the limits ({self.limits}): raise them if it is right"
        )
        return True

    def _late(self, time: int, sight: Sight) -> bool:
        """Whether the packet belongs before pictures already given; it is dropped, they were right without it."""
        last = self._times.last
        if sight.starts or last is None or time >= last:
            self._late_run = 0
            return False
        self.counts["late"] += 1
        self._late_run += 1
        if self._late_run > 1:
            self._break("time_reset", f"time ran back from {last} to {time} without an I-frame")
        return True

    def _judge(self, sight: Sight, time: int, data: bytes) -> str:
        """Moves the trust on, in decoding order; gives the reason why this packet's picture is untrusted."""
        if not sight.kind:
            self._confirm_sets(sight, data)
            if sight.time is not None:
                self._stays.append((time, sight.time))
            return self._broken
        self._since_start = 0 if sight.starts else self._since_start + 1
        if self._since_start == _ENDLESS:
            self.counts["endless_gop"] += 1
        confirmed = self._confirm_sets(sight, data)
        if sight.starts and confirmed:
            if self._broken or self._paused:
                self._leading_until = time
            self._broken, self._refresh = "", None
            if self._size not in (None, sight.size):
                self.counts["size_changed"] += 1
            self._size = sight.size
            return ""
        if sight.missing and not sight.starts:
            self._break("lost", f"lost: {sight.missing}")
        if not confirmed:
            return self._broken
        if self._broken and sight.recovers_in is not None and self._refresh is None:
            self._refresh = sight.recovers_in
        elif self._refresh is not None and sight.reference:
            self._refresh -= 1
            if self._refresh <= 0:
                self._broken, self._paused, self._refresh = "", "", None
        if self._leading_until is not None:
            if time < self._leading_until:
                return "leads an I-frame after a break: what it refers to is missing"
            self._leading_until = None
        return "" if sight.kind == "I" else self._broken

    def _confirm_sets(self, sight: Sight, data: bytes) -> bool:
        """Whether the parameter sets can be believed: those known, or twice the same new ones, as one may be damaged.

        For another picture size, it is enough that the picture ends where its data ends.
        """
        for name, content in (sight.sets or {}).items():
            known = self._sets.get(name)
            if known == content:
                self._offered.pop(name, None)
            elif known is None or self._offered.get(name) == content or self._resized(sight, data):
                self._sets[name] = content
                self._offered.pop(name, None)
            else:
                self._offered[name] = content
        if self._offered and sight.sets:
            names = ", ".join(sorted(self._offered))
            self._break(
                "parameters_changed", f"parameter set {names} changed at the same size: waiting to see it again"
            )
        return not self._offered

    def _resized(self, sight: Sight, data: bytes) -> bool:
        if sight.size in (None, self._size) or self._decoder is None or not sight.starts:
            return False
        return self._decoder.ends_with(data)

    def _take(self, decoded: Decoded) -> list[VideoFrame]:
        frames = []
        for picture in decoded.pictures:
            tag = self._tags.pop(picture.pts or 0, None)
            if tag and self.limits.allow(picture.width, picture.height):
                frame = self._frame(picture, tag)
                if not tag.packet.hidden:
                    self.frames += 1
                    frames += self._settle(frame)
        return frames

    def _settle(self, frame: VideoFrame) -> list[VideoFrame]:
        """Holds B-frames until the later picture that they refer to was looked at; where it is bad, so are they."""
        if frame.type == "B" and frame.trusted and self._reorders and len(self._held) < _MOST_HELD:
            self._held.append(frame)
            return []
        held, self._held = self._held, []
        if not frame.trusted:
            for earlier in held:
                earlier.trusted, earlier.reason = False, frame.reason
        self.untrusted += sum(not given.trusted for given in (*held, frame))
        return [*held, frame]

    def _release(self) -> list[VideoFrame]:
        held, self._held = self._held, []
        return held

    def _frame(self, picture: av.VideoFrame, tag: _Tag) -> VideoFrame:
        sight = tag.sight
        if isinstance(self._reader, UnreadHeaders) and picture.key_frame and not tag.complaint:
            sight.starts, tag.reason, self._broken = True, "", ""
            self._since_start = 0
        paused = self._follow_time(tag)
        reason = tag.reason or paused
        if picture.is_corrupt and not reason:
            reason = self._break_late(tag, "damaged", "damaged: FFmpeg marks the picture as corrupt")
        kind = sight.kind if sight.kind not in ("?", "") else _KINDS.get(int(picture.pict_type), "?")
        luma = luma_of(picture)
        if self._thorough and not reason and not tag.proven:
            odd = self._looks.check(luma, follows=self._follows and not self._times.pause, intra=kind == "I")
            if odd:
                reason = self._break_late(tag, "implausible", f"implausible: {odd}")
        reference = self._reference if self._reference is not None and self._reference.shape == luma.shape else None
        if kind == "I" and not reason:
            self._gop, self._step = self._gop + 1, 0
        elif kind != "B":
            self._step += 1
        frame = VideoFrame(
            type=kind, keyframe=sight.starts, pts=tag.packet.pts, stamp_ns=tag.packet.stamp_ns, index=self.frames,
            gop=self._gop, step=self._step, width=picture.width, height=picture.height, trusted=not reason,
            reason=reason, luma=luma, reference_luma=reference, picture=picture,
        )  # fmt: skip
        if reference is not None and kind == "P" and tag.packet.codec in VECTOR_CODECS:
            several = sight.several_references or picture.interlaced_frame
            frame.vectors_use = "checked" if several else "all"
        if sight.reference and kind != "B":
            self._reference = luma
        self._follows = not reason
        return frame

    def _follow_time(self, tag: _Tag) -> str:
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
            self._paused = ""
        if sight.starts or sight.kind == "I":
            return ""
        if tag.reason or self._paused:
            return self._paused
        pause = self._pause(sight)
        if pause:
            self._pause_at(tag, f"lost: {pause} pictures are missing before this one, by its time")
            self.counts["lost"] += 1
            self._refresh = None
            return self._paused
        settled = (self._true_pts and self._times.settled) or (sight.time is not None and self._ticks.settled)
        if not (sight.counted or sight.checked or settled):
            return "unsettled: the stream's interval is not known yet, a loss would go unnoticed"
        return ""

    def _pause_at(self, tag: _Tag, reason: str) -> None:
        self._paused, self._paused_at = reason, tag

    @staticmethod
    def _outlives(paused: _Tag | None, start: _Tag) -> bool:
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


def _spreads(sight: Sight) -> bool:
    """Whether damage in a picture can reach others; H.264's mark of an unreferenced picture may itself be damaged."""
    return sight.reference or sight.counted
