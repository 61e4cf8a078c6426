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
from dataclasses import replace
from typing import Any

import av
import numpy as np

from halsie_ros.video.assembly import Assembler
from halsie_ros.video.codecs.bits import BitstreamError, MissingSetsError
from halsie_ros.video.codecs.packet_header import HeaderReader, Sight, UnreadHeaders
from halsie_ros.video.codecs.readers import header_reader
from halsie_ros.video.codecs.readiness import is_ready
from halsie_ros.video.decoder import VECTOR_CODECS, Decoded, Decoder, Limits, luma_of
from halsie_ros.video.frame import VideoFrame, turned
from halsie_ros.video.packets import Packet
from halsie_ros.video.plausibility import CHECKED, UNCHECKED, Plausibility
from halsie_ros.video.starts import starts_picture
from halsie_ros.video.times import Times
from halsie_ros.video.trust import Tag, Trust, spreads

_RECENT = 64  # packets remembered to recognize a duplicate
_MOST_TAGS = 128  # packets whose picture may still come
_MOST_HELD = 16  # B-frames between two reference pictures
_FAILED_PROOFS = 4  # pictures; a stream of which none could be read to its end before these is of an unknown kind
_UNENDED = "damaged: its decoding does not end where its data end"
_KINDS = {1: "I", 2: "P", 3: "B", 4: "P", 5: "I", 6: "P", 7: "B"}  # AVPictureType


class PacketStream:
    """Decodes one live stream or file, packet by packet in decoding order.

    Attributes:
        counts: what happened, by cause: "joined", "lost", "damaged", "headers", "duplicate", "late", "time_reset",
            "empty", "placeholder", "pieces_lost", "too_large", "codec_changed", "size_changed", "parameters_changed",
            "implausible", "endless_gop".
        frames, untrusted: pictures given out, and those of them that are untrusted.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        interval: int = 0,
        true_pts: bool = True,
        thorough: bool = True,
        framed: bool = False,
        rotation: int = 0,
        patient: bool = True,
    ) -> None:
        """Starts with nothing known.

        Args:
            limits: bounds on what the stream may claim.
            interval: the usual step of pts where it is known (files), else 0: it is learned.
            true_pts: False where pts are guessed (AVI has none) and tell nothing about losses.
            thorough: look for damage that FFmpeg does not report: read pictures to their end (about as long as decoding
                them), compare them with the ones before. Without it, damaged bytes within a packet may go unseen.
            framed: each packet is one whole picture (files); otherwise messages are put together or taken apart.
            patient: wait where a kernel is yet to be compiled (HEVC's: some 20 s, once per installation); False: give
                pictures unproven meanwhile, as a live stream must.
            rotation: degrees anticlockwise by which pictures are to be turned, as the container says.
        """
        self.limits = limits or Limits()
        self._interval = interval
        self._true_pts = true_pts
        self._thorough = thorough
        self._framed = framed
        self._rotation = rotation
        self._patient = patient
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
        return (self._assembler.problem if self._assembler else "") or self._trust.broken or self._trust.paused

    @property
    def notes(self) -> dict[str, str]:
        """What the sender should mend although the stream is read, a line each, by kind."""
        notes = dict(self._times.notes)
        if self._assembler:
            notes |= self._assembler.notes
        if self._trust.endless:
            notes["key_frames"] = self._trust.broken
        if self._turn_note:
            notes["rotation"] = self._turn_note
        return notes

    def reset(self) -> None:
        """Forgets the stream (a bag loop, a new sender); counts stay."""
        self._decoder = None
        self._assembler: Assembler | None = None
        self._reader: HeaderReader = UnreadHeaders()
        self._trust = Trust(self.counts, self._interval, self._true_pts)
        self._times = Times()
        self._clock = ""
        self._recent: deque[tuple[int, int | None, int]] = deque(maxlen=_RECENT)
        self._looks = Plausibility()
        self._follows = False
        self._proofs: bool | None = None  # whether pictures can be read to their end; None while unknown
        self._failed_proofs = 0
        self._pieces: deque[int] = deque(maxlen=8)
        self._number = 0
        self._tags: dict[int, Tag] = {}
        self._newest: int | None = None
        self._reorders = False
        self._held: list[VideoFrame] = []
        self._reference: np.ndarray | None = None
        self._turn_note = ""
        self._gop = -1
        self._step = 0

    def push(self, packet: Packet) -> list[VideoFrame]:
        """Takes one message; gives the pictures that are ready, in output order (none for a message that is dropped).

        Raises:
            VideoError: this build of FFmpeg has no decoder for the packet's codec.
        """
        if not len(packet.data):
            self.counts["empty"] += 1
            return []
        if not isinstance(packet.data, bytes):
            packet = replace(packet, data=bytes(packet.data))
        given = self._follow_codec(packet)
        if len(packet.data) > self.limits.max_packet_bytes:
            self._trust.distrust(
                "too_large",
                f"packet of {len(packet.data)} bytes is above max_packet_bytes {self.limits.max_packet_bytes}",
            )
            return given
        identity = (packet.stamp_ns, packet.pts, hash(packet.data))
        if identity in self._recent if self._clock != "count" else identity == (self._recent or [None])[-1]:
            self.counts["duplicate"] += 1
            return given
        self._recent.append(identity)
        for picture in self._assembler.push(packet) if self._assembler else [packet]:
            given += self._push(picture)
        return given

    def gap(self) -> None:
        """Messages were left out on purpose before the next one, at which decoding can start."""
        if self._assembler:
            self._assembler.gap()

    def flush(self) -> list[VideoFrame]:
        """The pictures still held for reordering; the next packet must start anew."""
        frames = []
        for picture in self._assembler.flush() if self._assembler else []:
            frames += self._push(picture)
        frames += self._take(self._flush()) + self._release()
        self._trust.rejoin("joined: no I-frame has come since the stream was flushed")
        return frames

    def _push(self, packet: Packet) -> list[VideoFrame]:
        """Decodes one picture."""
        assert self._decoder is not None
        decoder, data = self._decoder, bytes(packet.data)
        sight = self._sight(packet, data)
        self._trust.wait(packet.stamp_ns, sight)
        if sight is None or self._refused(sight):
            return []
        if not sight.kind and sight.time is None:  # no picture: a decoder takes it for a lost one
            if sight.sets:
                self._trust.confirm(sight)
                decoder.decode(data, 0)
            else:
                self.counts["placeholder"] += 1
            return []
        given: list[VideoFrame] = []
        moment = self._times.take(
            packet,
            # After a loss, counters that begin anew look like an earlier picture's.
            earlier=sight.earlier and not sight.missing and not sight.doubtful and not self._trust.broken,
            starts=sight.starts,
            counted=bool(self._assembler and self._assembler.cut),
        )
        if self._clock != moment.source:
            if self._clock:
                self._trust.restart_time(another=True)
                for waiting in self._tags.values():
                    waiting.moment.turn_to(moment.source)
            self._clock, self._newest = moment.source, None
        if self._trust.restarts(moment.order, sight.starts):
            given += self._take(self._flush()) + self._release()
            self._newest = None
            self._trust.restart_time()
        self._reorders |= sight.earlier or (self._newest is not None and moment.order < self._newest)
        self._newest = moment.order if self._newest is None else max(moment.order, self._newest)
        self._number += 1
        whole = self._trust.doubts(sight) and decoder.ends_with(data)
        tag = Tag(packet, moment, sight, self._trust.judge(sight, moment, whole=whole), self._number)
        self._tags[self._number] = tag
        self._tags.pop(self._number - _MOST_TAGS, None)
        decoded = decoder.decode(data, self._number)
        if decoded.complaint:
            tag.complaint = decoded.complaint
            tag.reason = self._trust.distrust("damaged", f"damaged: {decoded.complaint}", spreads=spreads(sight))
        elif not tag.reason:
            self._prove(tag, data)
        return given + self._take(decoded)

    def _sight(self, packet: Packet, data: bytes) -> Sight | None:
        """What the picture's headers say; None for one that is dropped."""
        time = self._times.order_of(packet, self._clock)
        starts: bool | None = None
        if time is not None and self._trust.is_past(time):
            starts = starts_picture(packet.codec, data) or (self._framed and bool(packet.keyframe))
        if self._trust.late(time, bool(starts)):
            return None
        try:
            return self._reader.read(data)
        except BitstreamError as error:
            self._trust.distrust("sets" if isinstance(error, MissingSetsError) else "headers", str(error))
            return None

    def _prove(self, tag: Tag, data: bytes) -> None:
        """Looks for damage, or a missing piece, of which FFmpeg says nothing."""
        sight = tag.sight
        if self._thorough and self._proofs is not False and (self._patient or is_ready(tag.packet.codec)):
            tag.proven = self._reader.ends(sight)
            if tag.proven:
                self._proofs = True
            elif tag.proven is False:
                self._failed_proofs += 1
                if self._proofs is None and self._failed_proofs == _FAILED_PROOFS:
                    self._proofs = False
                tag.reason = self._trust.distrust("damaged", _UNENDED, spreads=spreads(sight))
            elif tag.packet.codec == "vp9" and sight.starts and self._decoder and not self._decoder.ends_with(data):
                tag.reason = self._trust.distrust("damaged", _UNENDED)
        if self._assembler and self._assembler.pieces and not tag.proven and not tag.reason:
            usual = min(self._pieces, default=0)
            self._pieces.append(sight.pieces)
            if sight.pieces < usual:
                said = f"lost: a piece, {sight.pieces} of {usual} slices came"
                tag.reason = self._trust.distrust("lost", said, spreads=spreads(sight))

    def _flush(self) -> Decoded:
        return self._decoder.flush() if self._decoder else Decoded([], "")

    def _follow_codec(self, packet: Packet) -> list[VideoFrame]:
        """Begins anew where the codec changed; gives the pictures of the one before."""
        if self._decoder and self._decoder.codec == packet.codec and self._extradata == packet.extradata:
            return []
        frames: list[VideoFrame] = []
        if self._decoder:
            frames = self.flush()
            self.reset()
            self._trust.distrust("codec_changed", f"codec changed to {packet.codec}: no I-frame has come yet")
        else:
            self.counts["joined"] += 1
        self._reader = header_reader(packet.codec, packet.extradata)
        self._decoder = Decoder(
            packet.codec, extradata=packet.extradata, size=(packet.width, packet.height), limits=self.limits,
            first=bytes(packet.data),
        )  # fmt: skip
        self._extradata = packet.extradata
        if not self._framed and not packet.extradata:
            self._assembler = Assembler(packet.codec, self.limits.max_packet_bytes, self.counts)
        self._looks = Plausibility(CHECKED if self._decoder.complains else UNCHECKED)
        return frames

    def _refused(self, sight: Sight) -> bool:
        if sight.size is None or self.limits.allow(*sight.size):
            return False
        width, height = sight.size
        self._trust.distrust(
            "too_large", f"picture of {width}x{height} is above the limits ({self.limits}): raise them if it is right"
        )
        return True

    def _take(self, decoded: Decoded) -> list[VideoFrame]:
        frames = []
        for picture in decoded.pictures:
            tag = self._tags.pop(picture.pts or 0, None)
            if tag and self.limits.allow(picture.width, picture.height):
                waiting = [o.moment for o in self._tags.values() if o.number > tag.number - _MOST_HELD]
                self._times.show(tag.moment, waiting)
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
        turns = self._turns(picture)
        luma = turned(luma_of(picture), turns)
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
            type=kind, keyframe=sight.starts, pts=tag.packet.pts, stamp_ns=tag.moment.stamp_ns, index=self.frames,
            gop=self._gop, step=self._step, width=luma.shape[1], height=luma.shape[0], trusted=not reason,
            reason=reason, luma=luma, reference_luma=reference, picture=picture, quarter_turns=turns,
        )  # fmt: skip
        if reference is not None and kind == "P" and tag.packet.codec in VECTOR_CODECS:
            several = sight.several_references or picture.interlaced_frame
            frame.vectors_use = "checked" if several else "all"
        if sight.reference and kind != "B":
            self._reference = luma
        self._follows = not reason
        return frame

    def _turns(self, picture: Any) -> int:
        """Quarter turns anticlockwise by which a picture is to be shown: the file's, or those that the stream says."""
        rotation = self._rotation or picture.rotation
        if rotation % 90:
            self._turn_note = f"pictures are to be shown turned by {rotation} degrees: they are taken as they lie"
            return 0
        return int(rotation) // 90 % 4
