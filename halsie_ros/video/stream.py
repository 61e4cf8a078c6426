"""Encoded packets in, decoded pictures with motion and trust out.

FFmpeg flags almost no loss, so trust comes from the stream's own sequence (`trust`): times, H.264's frame_num and
picture order count, MPEG-4's VOP time, MPEG-2's places in a group, parameter sets; and from FFmpeg's complaints.
Pictures of arithmetic-coded H.264 and of HEVC are read once more, to see that their decoding ends where their data end;
others are compared with the picture before (`plausibility`). Nothing here raises on a bad packet.

What is not found: moderate damage inside a packet of AV1; now and then damage inside one of VP9, and such that turns
variable-length codes (MPEG-4, MPEG-2, H.264 without arithmetic coding) into others of the same length.
"""

from __future__ import annotations

from collections import Counter, deque
from copy import copy

import av
import numpy as np

from halsie_ros.video.codecs.bits import BitstreamError
from halsie_ros.video.codecs.packet_header import HeaderReader, Sight, UnreadHeaders
from halsie_ros.video.codecs.readers import header_reader
from halsie_ros.video.decoder import VECTOR_CODECS, Decoded, Decoder, Limits, luma_of
from halsie_ros.video.frame import VideoFrame
from halsie_ros.video.packets import Packet
from halsie_ros.video.plausibility import CHECKED, UNCHECKED, Plausibility
from halsie_ros.video.trust import Tag, Trust, spreads

_RECENT = 64  # packets remembered to recognize a duplicate
_MOST_TAGS = 128  # packets whose picture may still come
_MOST_HELD = 16  # B-frames between two reference pictures
_FAILED_PROOFS = 4  # pictures; a stream of which none could be read to its end before these is of an unknown kind
_MANY = 1_000_000
_UNENDED = "damaged: its decoding does not end where its data end"
_KINDS = {1: "I", 2: "P", 3: "B", 4: "P", 5: "I", 6: "P", 7: "B"}  # AVPictureType


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
        return not self.broken_by

    @property
    def broken_by(self) -> str:
        """Why pictures are untrusted now; "" while they are trusted."""
        return self._trust.broken or self._trust.paused

    def reset(self) -> None:
        """Forgets the stream (a bag loop, a new sender); counts stay."""
        self._decoder = None
        self._reader: HeaderReader = UnreadHeaders()
        self._trust = Trust(self.counts, self._interval, self._true_pts)
        self._recent: deque[tuple[int, int, int]] = deque(maxlen=_RECENT)
        self._looks = Plausibility()
        self._follows = False
        self._failed_proofs = 0
        self._number = 0
        self._tags: dict[int, Tag] = {}
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
            self._trust.distrust(
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
            self._trust.distrust("headers", str(error))
            return given
        if self._refused(sight):
            return given
        if self._trust.late(time, sight):
            self._reader = before
            return given
        if self._trust.restarts(time, sight):
            given += self._take(self._flush()) + self._release()
            self._newest = None
            self._trust.restart_time()
        self._reorders |= self._newest is not None and time < self._newest
        self._newest = time if self._newest is None else max(time, self._newest)
        self._number += 1
        reason = self._trust.judge(sight, time, lambda: self._resized(sight, data))
        tag = Tag(packet, time, sight, reason, self._number)
        self._tags[self._number] = tag
        self._tags.pop(self._number - _MOST_TAGS, None)
        decoded = decoder.decode(data, self._number)
        if decoded.complaint:
            tag.complaint = decoded.complaint
            tag.reason = self._trust.distrust("damaged", f"damaged: {decoded.complaint}", spreads=spreads(sight))
        elif self._thorough and not tag.reason and self._failed_proofs < _FAILED_PROOFS:
            tag.proven = sight.ends()
            if tag.proven:
                self._failed_proofs = -_MANY
            elif tag.proven is False:
                self._failed_proofs += 1
                tag.reason = self._trust.distrust("damaged", _UNENDED, spreads=spreads(sight))
            elif packet.codec == "vp9" and sight.starts and not decoder.ends_with(data):
                tag.reason = self._trust.distrust("damaged", _UNENDED)
        return given + self._take(decoded)

    def flush(self) -> list[VideoFrame]:
        """The pictures still held for reordering; the next packet must start anew."""
        frames = self._take(self._flush()) + self._release()
        self._trust.broken = self._trust.broken or "joined: no I-frame has come since the stream was flushed"
        return frames

    def _flush(self) -> Decoded:
        return self._decoder.flush() if self._decoder else Decoded([], "")

    def _decoder_for(self, packet: Packet) -> tuple[Decoder, list[VideoFrame]]:
        """The decoder of the packet's codec, and the pictures of the one before where the codec changed."""
        if self._decoder and self._decoder.codec == packet.codec and self._extradata == packet.extradata:
            return self._decoder, []
        frames: list[VideoFrame] = []
        if self._decoder:
            frames = self._take(self._flush()) + self._release()
            self.reset()
            self._trust.broken = f"codec changed to {packet.codec}: no I-frame has come yet"
            self.counts["codec_changed"] += 1
        else:
            self.counts["joined"] += 1
        self._reader = header_reader(packet.codec, packet.extradata)
        self._decoder = Decoder(
            packet.codec, extradata=packet.extradata, size=(packet.width, packet.height), limits=self.limits,
            first=bytes(packet.data),
        )  # fmt: skip
        self._extradata = packet.extradata
        self._looks = Plausibility(CHECKED if self._decoder.complains else UNCHECKED)
        return self._decoder, frames

    def _refused(self, sight: Sight) -> bool:
        if sight.size is None or self.limits.allow(*sight.size):
            return False
        width, height = sight.size
        self._trust.distrust(
            "too_large", f"picture of {width}x{height} is above the limits ({self.limits}): raise them if it is right"
        )
        return True

    def _resized(self, sight: Sight, data: bytes) -> bool:
        if sight.size in (None, self._trust.size) or self._decoder is None or not sight.starts:
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

    def _frame(self, picture: av.VideoFrame, tag: Tag) -> VideoFrame:
        sight = tag.sight
        if isinstance(self._reader, UnreadHeaders) and picture.key_frame and not tag.complaint:
            self._trust.key_frame(tag)
        paused = self._trust.follow_time(tag)
        reason = tag.reason or paused
        if picture.is_corrupt and not reason:
            reason = self._trust.distrust_late(tag, "damaged", "damaged: FFmpeg marks the picture as corrupt")
        kind = sight.kind if sight.kind not in ("?", "") else _KINDS.get(int(picture.pict_type), "?")
        luma = luma_of(picture)
        if self._thorough and not reason and not tag.proven:
            odd = self._looks.check(luma, follows=self._follows and self._trust.continuous, intra=kind == "I")
            if odd:
                reason = self._trust.distrust_late(tag, "implausible", f"implausible: {odd}")
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
