"""One PyAV decoder: one thread, motion vectors exported, FFmpeg's complaints collected, sizes bounded."""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass
from typing import Any

import av
import av.logging
import numpy as np
from av.codec.context import Flags2
from av.error import FFmpegError

from halsie_ros.errors import VideoError
from halsie_ros.video.codecs.vp9 import as_superframe, is_deep

# Codecs whose decoders export motion vectors.
VECTOR_CODECS = ("h264", "mpeg4", "mpeg2video", "mpeg1video")

# FFmpeg's own checks. `aggressive` makes the H.264 decoder check that a slice ends where its data ends; the MPEG-4
# decoder would refuse legal streams with it.
_CHECKS = "crccheck+bitstream+buffer+careful"

# FFmpeg's own av1 decoder needs hardware. libvpx is as fast as FFmpeg's own VP9 decoder, and notices where a frame's
# data end too early (79 % of damaged frames against 26 %); it is often built without more than 8 bits per sample.
_DECODERS = {"av1": ("libdav1d",), "vp9": ("libvpx-vp9", "vp9")}

# Decoders that take much damage without a complaint.
_UNCOMPLAINING = ("vp9", "libdav1d")
_TAIL = 24  # bytes at the end of an I-frame that surely hold part of its picture
_APPENDED = bytes(range(17, 255, 7))


@dataclass(frozen=True)
class Limits:
    """Bounds on what a stream may claim; anything beyond is refused before memory is allocated.

    Attributes:
        max_width, max_height: pixels.
        max_pixels: width times height.
        max_packet_bytes: of one encoded picture.
    """

    max_width: int = 4096
    max_height: int = 4096
    max_pixels: int = 4096 * 2304
    max_packet_bytes: int = 16 * 2**20

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value < 1:
                raise VideoError(f"video limit {name} is {value}: it must be at least 1")

    def allow(self, width: int, height: int) -> bool:
        """Whether a picture of this size may be decoded."""
        return 0 < width <= self.max_width and 0 < height <= self.max_height and width * height <= self.max_pixels


def listen_to_ffmpeg() -> None:
    """Lets FFmpeg's error messages reach `Decoder`, which reads them as signs of damage.

    PyAV drops them by default. Where the program has not set a level itself, they stay out of its log.
    """
    if av.logging.get_level() is None:
        logging.getLogger("libav").setLevel(logging.CRITICAL + 1)
        av.logging.set_level(av.logging.ERROR)
    av.logging.set_skip_repeated(False)


@dataclass(frozen=True)
class Decoded:
    """What one packet gave.

    Attributes:
        pictures: PyAV's frames in output order; `frame.pts` is the number of the packet that a frame came from.
        complaint: FFmpeg's first complaint, "" when it had none.
    """

    pictures: list[av.VideoFrame]
    complaint: str


class Decoder:
    """Decodes packets of one codec as they come, on the calling thread; holds back only what the codec does.

    Attributes:
        complains: whether this codec's decoder reports most damage.
    """

    def __init__(
        self,
        codec: str,
        *,
        extradata: bytes = b"",
        size: tuple[int, int] = (0, 0),
        limits: Limits | None = None,
        first: bytes = b"",
    ) -> None:
        """Opens the decoder.

        Args:
            codec: one of `packets.CODECS`.
            extradata: out-of-band parameter sets.
            size: (width, height) where the sender says it, else 0.
            limits: bounds on the stream's claims.
            first: the first packet: deep VP9 has a decoder of its own.

        Raises:
            VideoError: this build of FFmpeg cannot decode the codec.
        """
        listen_to_ffmpeg()
        self.codec = codec
        self.limits = limits or Limits()
        self._extradata = extradata
        try:
            context: Any = _create(codec, codec == "vp9" and is_deep(first))
            context.thread_count = 1
            context.options = {
                "err_detect": _CHECKS + ("+aggressive" if codec == "h264" else ""),
                "max_pixels": str(self.limits.max_pixels),
            }
            context.flags2 |= Flags2.export_mvs
            if extradata:
                context.extradata = extradata
            if codec == "mpeg4" and self.limits.allow(*size):
                context.width, context.height = size
            context.open()
            self.complains = context.name not in _UNCOMPLAINING
        except (FFmpegError, ValueError) as error:
            raise VideoError(f"codec {codec!r} cannot be opened ({error}): install av with its own FFmpeg") from error
        self._context = context

    def decode(self, data: bytes | memoryview, number: int) -> Decoded:
        """Decodes one packet; bad or empty data gives a complaint, never an exception.

        `number` comes back as the picture's pts.
        """
        if not len(data):
            return Decoded([], "empty packet")
        # Not av.Packet(data): that one lacks FFmpeg's zero padding, and decoders read past its end (PyAV 18.1).
        data = as_superframe(bytes(data)) if self.codec == "vp9" else bytes(data)
        packet = av.Packet(len(data))
        packet.update(data)
        packet.pts = number
        return self._feed(packet)

    def ends_with(self, data: bytes) -> bool:
        """Whether the decoding of an I-frame ends where its data ends, by trial decodes.

        Damage that decodes without complaint leaves data unread: then the picture stays the same without the end of its
        data. Or it needs more than there is: then the picture changes when something is appended (the other codecs'
        decoders complain).
        """
        whole = self._trial(data)
        cut = self._trial(data[: len(data) - max(_TAIL, len(data) // 16)])
        if whole is None or (cut is not None and np.array_equal(whole, cut)):
            return False
        longer = self._trial(data + _APPENDED) if self.codec == "vp9" else None
        return longer is None or np.array_equal(whole, longer)

    def _trial(self, data: bytes) -> np.ndarray | None:
        other = Decoder(self.codec, extradata=self._extradata, limits=self.limits, first=data)
        pictures = other.decode(data, 0).pictures + other.flush().pictures
        return luma_of(pictures[0]) if pictures else None

    def flush(self) -> Decoded:
        """Gives the pictures still held for reordering, and makes the decoder ready for a new start."""
        decoded = self._feed(None)
        self._context.flush_buffers()
        return decoded

    def reset(self) -> None:
        """Drops held pictures and references."""
        self._context.flush_buffers()

    def _feed(self, packet: av.Packet[Any] | None) -> Decoded:
        with av.logging.Capture() as messages:
            try:
                pictures = self._context.decode(packet)
                complaint = ""
            except (FFmpegError, EOFError) as error:
                pictures, complaint = [], str(error)
        for level, _, message in messages:
            if level <= av.logging.ERROR:
                complaint = message.strip()
                break
        return Decoded(pictures, complaint)


def _create(codec: str, last_only: bool) -> Any:
    """A context of the first decoder that this build of FFmpeg has, or of the last."""
    *others, last = _DECODERS.get(codec, (codec,))
    for name in () if last_only else others:
        with contextlib.suppress(ValueError):
            return av.CodecContext.create(name, "r")
    return av.CodecContext.create(last, "r")


def luma_of(picture: av.VideoFrame) -> np.ndarray:
    """The luma `(H, W) uint8` in rows without gaps; the high 8 bits of deeper video.

    Decoders pad their rows for some widths and not for others: a copy (a hundredth of the decoding) spares every kernel
    a second form, which would be compiled in the middle of a stream.
    """
    form = picture.format
    plane: Any = picture.planes[0]
    component = form.components[0] if form.components else None
    if form.is_rgb or form.has_palette or component is None or form.is_bit_stream or plane.width != picture.width:
        picture = picture.reformat(format="gray8")
        plane, bits = picture.planes[0], 8
    else:
        bits = component.bits
    if bits == 8:
        rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
        return rows[: picture.height, : picture.width].copy()
    order = ">u2" if form.is_big_endian else "<u2"
    deep = np.frombuffer(plane, order).reshape(-1, plane.line_size // 2)[: picture.height, : picture.width]
    return (deep >> (bits - 8)).astype(np.uint8)
