"""Files and URLs: their packets, every frame, or only the GOPs that are needed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.bitstream import BitStreamFilterContext
from av.error import FFmpegError

from halsie_ros.errors import VideoError
from halsie_ros.video.decoder import Limits, listen_to_ffmpeg
from halsie_ros.video.frame import VideoFrame
from halsie_ros.video.packets import CODECS, Packet
from halsie_ros.video.stream import PacketStream
from halsie_ros.wire.stamps import SECOND_NS

_TURNING = {"mov", "mp4", "matroska", "webm"}  # containers that say how pictures are to be turned
_MOST_AHEAD = 8  # packets until a first picture


@dataclass(frozen=True)
class VideoInfo:
    """What the container says of its first video stream.

    Attributes:
        codec: one of `packets.CODECS`.
        width, height: pixels, as the video is to be shown.
        pixel_format: FFmpeg's name, e.g. "yuv420p".
        time_base: seconds per unit of pts.
        rate_hz: average frames per second, 0 where unknown.
        frames: as the container says, 0 where it does not.
        rotation: degrees anticlockwise by which the container or the stream says that pictures are to be turned, as
            portraits of telephones are; those by quarters of a turn are.
    """

    codec: str
    width: int
    height: int
    pixel_format: str
    time_base: Fraction
    rate_hz: float
    frames: int
    rotation: int = 0


class VideoFile:
    """An open file or URL; a context manager."""

    def __init__(self, path: str | Path, limits: Limits | None = None, *, thorough: bool = True) -> None:
        """Opens the first video stream.

        Args:
            path: a file or URL.
            limits, thorough: see `PacketStream`.

        Raises:
            VideoError: the file is missing, holds no video, or a codec unknown here.
        """
        listen_to_ffmpeg()
        self.path = str(path)
        self.limits = limits or Limits()
        self._thorough = thorough
        try:
            # Texts in the file may be in any encoding, and cut within a character: they are not read here.
            self._container = av.open(self.path, metadata_errors="replace")
        except (FFmpegError, OSError, ValueError) as error:
            raise VideoError(
                f"{self.path} cannot be opened as video ({_reason(error)}): give a file or URL that FFmpeg reads"
            ) from error
        if not self._container.streams.video:
            self._container.close()
            raise VideoError(f"{self.path} holds no video stream: give a video file")
        self._stream = self._container.streams.video[0]
        context = self._stream.codec_context
        codec = "av1" if context.name in ("libdav1d", "libaom-av1") else context.name
        if codec not in CODECS:
            self._container.close()
            raise VideoError(f"{self.path} is coded as {codec}: transcode it to one of {', '.join(CODECS)}")
        self._ahead: list[av.Packet[Any]] = []
        rotation = self._rotation()
        sides = context.width, context.height
        width, height = sides[::-1] if rotation % 180 == 90 else sides
        self.info = VideoInfo(
            codec, width, height, context.pix_fmt or "", self._stream.time_base or Fraction(1, 1),
            float(self._stream.average_rate or 0), self._stream.frames, rotation,
        )  # fmt: skip
        self._coded_size = sides
        self._extradata = bytes(context.extradata or b"")
        rate, base = self._stream.average_rate, self._stream.time_base
        self._unpacker = BitStreamFilterContext("mpeg4_unpack_bframes", self._stream) if codec == "mpeg4" else None
        self._interval = round(1 / (rate * base)) if rate and base else 0
        self._read, self._end = 0, 0

    def __enter__(self) -> VideoFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._container.close()

    def packets(self) -> Iterator[Packet]:
        """The packets from here on, in decoding order; stamps are pts in ns."""
        with self._errors_named():
            for packet in self._demuxed():
                self._read += bool(packet.size)
                self._end = max(self._end, (packet.pts or packet.dts or 0) + (packet.duration or 0))
                for whole in self._unpack(packet):
                    yield self._packet(whole)

    def shortfall(self) -> str:
        """After the last packet: what the container promised beyond what there was, "" for nothing.

        Where the container counts no frames (Matroska), its duration counts: a second and a fifth of it must be missing
        before anything is said, since sound may be longer than the pictures.
        """
        if self._read < self.info.frames:
            return f"{self._read} of {self.info.frames} frames"
        if self.info.frames or not self._container.duration:
            return ""
        there, promised = float(self._end * self.info.time_base), self._container.duration / av.time_base
        return f"{there:.1f} of {promised:.1f} s" if promised - there > max(1.0, promised / 5) else ""

    def frames(self, stream: PacketStream | None = None) -> Iterator[VideoFrame]:
        """Every frame, in output order; give a `new_stream()` to read its counts afterwards."""
        stream = stream or self.new_stream()
        for packet in self.packets():
            yield from stream.push(packet)
        yield from stream.flush()

    def gops(self, count: int, frames_per_gop: int) -> Iterator[list[VideoFrame]]:
        """Sparse reading: `count` GOPs spread evenly over the file, of each the first `frames_per_gop` frames.

        Seeks to the keyframe before each place and decodes no further than needed. A GOP that two places share comes
        once.
        """
        if count < 1 or frames_per_gop < 1:
            raise VideoError(f"{count} GOPs of {frames_per_gop} frames cannot be read: both must be at least 1")
        seen: set[int | None] = set()
        for place in self._places(count):
            if self._unpacker:
                self._unpacker.flush()
            with self._errors_named():
                self._container.seek(place, stream=self._stream, backward=True)
                self._ahead.clear()
            gop = self._one_gop(frames_per_gop)
            if gop and gop[0].pts not in seen:
                seen.add(gop[0].pts)
                yield gop

    def new_stream(self) -> PacketStream:
        """A stream that knows what the container says of times."""
        # AVI has decoding times alone; FFmpeg guesses pts from them, wrongly where B-frames are packed.
        return PacketStream(
            self.limits,
            interval=self._interval,
            true_pts=self._container.format.name != "avi",
            thorough=self._thorough,
            framed=True,
            rotation=self.info.rotation,
        )

    def _demuxed(self) -> Iterator[av.Packet[Any]]:
        while self._ahead:
            yield self._ahead.pop(0)
        yield from self._container.demux(self._stream)

    def _rotation(self) -> int:
        """How the container says that pictures are to be turned, which PyAV tells with a decoded picture only.

        The first picture is decoded for it, where the container has a place for such words.
        """
        if not set(self._container.format.name.split(",")) & _TURNING:
            return 0
        context = self._stream.codec_context
        context.thread_count = 1
        with contextlib.suppress(FFmpegError, EOFError):
            for packet in self._container.demux(self._stream):
                self._ahead.append(packet)
                pictures = context.decode(packet)
                if packet.size and not pictures and len(self._ahead) == 1:
                    pictures = context.decode(None)
                if pictures or len(self._ahead) == _MOST_AHEAD:
                    return int(pictures[0].rotation) if pictures else 0
        return 0

    def _places(self, count: int) -> list[int]:
        start = self._stream.start_time or 0
        duration = self._stream.duration
        if duration is None:  # Matroska keeps it for the container alone
            seconds = (self._container.duration or 0) / av.time_base
            duration = int(seconds / self.info.time_base)
        return [start + int(duration * (index + 0.5) / count) for index in range(count)]

    def _one_gop(self, length: int) -> list[VideoFrame]:
        stream = self.new_stream()
        frames: list[VideoFrame] = []
        for packet in self.packets():
            for frame in stream.push(packet):
                if frame.type == "I" and frame.trusted and frames:
                    return frames
                if frame.trusted and (frames or frame.type == "I"):
                    frames.append(frame)
                if len(frames) == length:
                    return frames
        return frames + [frame for frame in stream.flush() if frame.trusted and frames][: length - len(frames)]

    def _unpack(self, packet: av.Packet[Any]) -> list[av.Packet[Any]]:
        """MPEG-4 in AVI packs a P- and a B-frame into one packet, a stand-in into the next; FFmpeg undoes it."""
        if self._unpacker is None:
            return [packet] if packet.size else []
        return [part for part in self._unpacker.filter(packet if packet.size else None) if part.size]

    def _packet(self, packet: av.Packet[Any]) -> Packet:
        shown = packet.pts if packet.pts is not None else packet.dts
        stamp_ns = int((shown or 0) * self.info.time_base * SECOND_NS)
        return Packet(
            self.info.codec, bytes(packet), shown, stamp_ns, packet.is_keyframe, packet.dts, *self._coded_size,
            extradata=self._extradata, hidden=packet.is_discard,
        )  # fmt: skip

    @contextmanager
    def _errors_named(self) -> Iterator[None]:
        try:
            yield
        except FFmpegError as error:
            raise VideoError(f"{self.path} cannot be read further ({_reason(error)}): the file is damaged") from error


def _reason(error: Exception) -> str:
    """What FFmpeg says, without its error number and the path, e.g. "Invalid data found …; moov atom not found"."""
    if not isinstance(error, FFmpegError):
        return str(error)
    said = error.strerror or str(error)
    log = tuple(error.log or ())  # level, component, message
    return f"{said}; {str(log[-1]).strip()}" if log else said
