"""Image messages to arrays: RGB or grey, eight bits, of every layout that cameras publish."""

from __future__ import annotations

import array
import functools
from dataclasses import dataclass
from typing import Any

import numpy as np

from halsie_ros.errors import CodecError
from halsie_ros.pictures.pixels import BAYER, bits_of, demosaic, float_to_eight_bits, to_eight_bits, yuv_to_rgb

__all__ = ["ENCODINGS", "ImageConverter", "decode_compressed", "demosaic", "fill_image", "image_size"]


@dataclass(frozen=True)
class _Layout:
    """How an encoding lays out its samples.

    Attributes:
        channels: samples of a pixel in the first plane.
        sample: numpy's name of one sample, little endian.
        kind: "grey", "rgb", "bgr", "bayer", "yuv", "uyvy", "yuyv", or a plane layout of YUV below.
    """

    channels: int
    sample: str
    kind: str

    @property
    def pixel_bytes(self) -> int:
        """Bytes of a pixel in the first plane."""
        return self.channels * np.dtype(self.sample).itemsize


_LAYOUTS = {
    "mono8": _Layout(1, "u1", "grey"),
    "mono16": _Layout(1, "<u2", "grey"),
    "32FC1": _Layout(1, "<f4", "grey"),
    "rgb8": _Layout(3, "u1", "rgb"),
    "bgr8": _Layout(3, "u1", "bgr"),
    "rgba8": _Layout(4, "u1", "rgb"),
    "bgra8": _Layout(4, "u1", "bgr"),
    "rgb16": _Layout(3, "<u2", "rgb"),
    "bgr16": _Layout(3, "<u2", "bgr"),
    "rgba16": _Layout(4, "<u2", "rgb"),
    "bgra16": _Layout(4, "<u2", "bgr"),
    "32FC3": _Layout(3, "<f4", "bgr"),
    "yuv422": _Layout(2, "u1", "uyvy"),
    "yuv422_yuy2": _Layout(2, "u1", "yuyv"),
    "yuv444": _Layout(3, "u1", "yuv"),
    "nv12": _Layout(1, "u1", "nv12"),
    "nv21": _Layout(1, "u1", "nv21"),
    "nv16": _Layout(1, "u1", "nv16"),
    "nv61": _Layout(1, "u1", "nv61"),
    "nv24": _Layout(1, "u1", "nv24"),
    "nv42": _Layout(1, "u1", "nv42"),
    "i420": _Layout(1, "u1", "i420"),
    "yv12": _Layout(1, "u1", "yv12"),
} | {
    f"bayer_{pattern}{bits}": _Layout(1, "u1" if bits == 8 else "<u2", "bayer") for pattern in BAYER for bits in (8, 16)
}
_ALIASES = {
    "8UC1": "mono8", "8UC3": "bgr8", "8UC4": "bgra8", "16UC1": "mono16", "16UC3": "bgr16", "16UC4": "bgra16",
    "uyvy": "yuv422", "yuyv": "yuv422_yuy2", "yuy2": "yuv422_yuy2", "rgb48": "rgb16", "bgr48": "bgr16",
    "mono10": "mono16", "mono12": "mono16", "mono14": "mono16", "yuv420": "i420", "yuv420p": "i420", "yu12": "i420",
    "yuv444_packed": "yuv444", "32FC1_grey": "32FC1",
}  # fmt: skip
#: Rows and columns of luma per row and column of chroma, and where V lies against U, of layouts in planes.
_PLANES = {
    "nv12": (2, 2, "uv"), "nv21": (2, 2, "vu"), "nv16": (1, 2, "uv"), "nv61": (1, 2, "vu"), "nv24": (1, 1, "uv"),
    "nv42": (1, 1, "vu"), "i420": (2, 2, "u,v"), "yv12": (2, 2, "v,u"),
}  # fmt: skip
ENCODINGS = tuple(sorted([*_LAYOUTS, *_ALIASES]))
_BRIDGED = ("mono8", "rgb8", "bgr8", "rgba8", "bgra8", *(f"bayer_{pattern}8" for pattern in BAYER))

_COMPRESSED = {b"\xff\xd8\xff": "mjpeg", b"\x89PNG": "png"}


def _layout(message: Any) -> _Layout:
    """The layout of a message's encoding; raises CodecError naming the known ones."""
    name = _ALIASES.get(message.encoding, message.encoding)
    if name not in _LAYOUTS:
        name = _ALIASES.get(str(name).lower(), str(name).lower())  # NV12, RGB8
    if name not in _LAYOUTS:
        raise CodecError(f"image encoding is {message.encoding!r}: publish one of {', '.join(ENCODINGS)}")
    return _LAYOUTS[name]


def image_size(message: Any) -> tuple[int, int]:
    """``(height, width)`` of a sensor_msgs/Image after its layout was checked; raises CodecError in one line."""
    layout = _layout(message)
    height, width, step = message.height, message.width, message.step
    if not height or not width or (layout.kind in ("uyvy", "yuyv") and width % 2):
        raise CodecError(f"image is {width}x{height} in {message.encoding}: no picture can have that size")
    row = width * layout.pixel_bytes
    needed = step * (height - 1) + row
    if layout.kind in _PLANES:
        needed = step * height + _plane_bytes(layout.kind, height, width, step)
    if step < row or len(message.data) < needed:
        raise CodecError(
            f"image of {width}x{height} {message.encoding} has step {step} and {len(message.data)} bytes: "
            f"needs a step of {row} and {needed} bytes at least"
        )
    return int(height), int(width)


def _plane_bytes(kind: str, height: int, width: int, step: int) -> int:
    """Bytes of the chroma planes, the last row without its padding."""
    down, across, order = _PLANES[kind]
    rows, columns = -(-height // down), -(-width // across)
    if "," in order:
        return -(-step // across) * (2 * rows - 1) + columns
    return (step if across > 1 else 2 * step) * (rows - 1) + 2 * columns


class ImageConverter:
    """Turns Image and CompressedImage messages into ``(H, W, 3)`` RGB or ``(H, W)`` grey, uint8.

    Cameras of 10, 12 or 14 bits publish them in the low bits of 16, and no field of the message says so: with `bits` 0
    the largest sample so far tells. Pictures in floating point count to 1, to 255 or to what the largest tells.

    Args:
        use_cv_bridge: False forces our own converter. A bridge is used where it does what we do, faster.
        bits: of samples in 16 bits: 8 to 16; 0: learned from the pictures.

    Attributes:
        bits: those in use, 0 while they are to be learned and no picture of such samples has come.
        learned: whether `bits` comes from the pictures.
    """

    def __init__(self, use_cv_bridge: bool = True, *, bits: int = 0) -> None:
        self._bridge = _cv_bridge() if use_cv_bridge else None
        self.bits = bits
        self.learned = not bits
        self._top = 0.0  # of floating point

    def convert(self, message: Any) -> np.ndarray:
        """The picture of a sensor_msgs/Image or CompressedImage (jpeg, png); raises CodecError in one line."""
        if hasattr(message, "format"):
            picture = decode_compressed(bytes(message.data), message.format)
            return self._to_eight_bits(picture) if picture.dtype == np.uint16 else picture
        image_size(message)
        layout = _layout(message)
        if self._bridge is not None and _is_bridged(message, layout):
            try:
                pixels: np.ndarray = self._bridge.imgmsg_to_cv2(message, "mono8" if layout.kind == "grey" else "rgb8")
                shape = (message.height, message.width) if layout.kind == "grey" else (message.height, message.width, 3)
                if pixels.dtype == np.uint8 and pixels.shape == shape:
                    return pixels
            except Exception:  # built for another numpy or OpenCV, which fails in several ways
                pass
            self._bridge = None
        return self._own(message, layout)

    def _own(self, message: Any, layout: _Layout) -> np.ndarray:
        """Our own conversion, after the sizes were checked."""
        height, width = message.height, message.width
        if layout.kind in _PLANES:
            return yuv_to_rgb(*_planes(message, layout.kind))
        pixels = _rows(message, layout)
        if layout.channels == 4:
            pixels = pixels.reshape(height, width, 4)[..., :3]  # opaque is no bright colour
        if layout.sample == "<u2":
            pixels = self._to_eight_bits(pixels)
        elif layout.sample == "<f4":
            pixels = self._from_floats(pixels)
        if layout.kind == "grey":
            return pixels
        if layout.kind == "bayer":
            return demosaic(pixels, message.encoding.lower()[6:10])
        if layout.kind in ("uyvy", "yuyv"):
            quads = pixels.reshape(height, width // 2, 4)
            luma = int(layout.kind == "uyvy")
            return yuv_to_rgb(quads[..., luma::2].reshape(height, width), quads[..., 1 - luma], quads[..., 3 - luma])
        pixels = pixels.reshape(height, width, -1)
        if layout.kind == "yuv":
            return yuv_to_rgb(pixels[..., 0], pixels[..., 1], pixels[..., 2])
        return pixels[..., :3] if layout.kind == "rgb" else pixels[..., 2::-1]

    def _to_eight_bits(self, samples: np.ndarray) -> np.ndarray:
        if self.learned and self.bits < 16:
            self.bits = max(self.bits, bits_of(int(samples.max(initial=0))))
        return to_eight_bits(samples, self.bits)

    def _from_floats(self, samples: np.ndarray) -> np.ndarray:
        finite = samples[np.isfinite(samples)]
        largest = float(finite.max(initial=0.0))
        if largest > self._top:
            self._top = 1.0 if largest <= 1.0 else max(largest, 255.0)
        return float_to_eight_bits(samples, self._top or 1.0)


def _is_bridged(message: Any, layout: _Layout) -> bool:
    """Whether cv_bridge does right: it takes a row's bytes for whole pixels, and big endian for numpy before 2."""
    return (
        message.encoding in _BRIDGED
        and message.step == message.width * layout.pixel_bytes
        and not message.is_bigendian
        and len(message.data) == message.step * message.height
    )


@functools.cache
def _cv_bridge() -> Any | None:
    try:
        from cv_bridge import CvBridge

        return CvBridge()
    except Exception:  # absent, or built for another numpy, which fails in several ways
        return None


def decode_compressed(data: bytes, label: str) -> np.ndarray:
    """Decodes one JPEG or PNG; `label` is the message's format, for the error.

    The first bytes decide the codec: drivers fill `format` in many ways. What the decoder can only patch up (a picture
    that is cut short, bytes lost on the way) is refused: the missing part would be seen as a surface.

    Returns:
        ``(H, W, 3)`` RGB or ``(H, W)`` grey, uint8; ``(H, W)`` uint16 for a PNG of 16 bits.

    Raises:
        CodecError: neither JPEG nor PNG, or damaged.
    """
    import av

    codec = next((codec for magic, codec in _COMPRESSED.items() if data.startswith(magic)), None)
    if codec is None:
        raise CodecError(f"compressed image of format {label!r} is neither JPEG nor PNG: publish one of these")
    try:
        context: Any = av.CodecContext.create(codec, "r")
        context.thread_count = 1  # frame threads would hold the picture back
        context.options = {"err_detect": "explode"}  # else damage is only logged
        frames = context.decode(av.Packet(data)) or context.decode(None)
        frame = frames[0]
    except (av.FFmpegError, IndexError) as error:
        raise CodecError(
            f"compressed image ({codec}, {len(data)} bytes) cannot be decoded, it is damaged: {error}"
        ) from error
    if frame.is_corrupt:
        raise CodecError(f"compressed image ({codec}, {len(data)} bytes) is damaged")
    if frame.format.name.startswith("gray16"):
        return np.ascontiguousarray(frame.to_ndarray(format="gray16le"))
    kind = "gray" if frame.format.name.startswith("gray") else "rgb24"
    picture: np.ndarray = frame.to_ndarray(format=kind)
    return picture


def _rows(message: Any, layout: _Layout) -> np.ndarray:
    """The samples of each row without its padding, ``(H, samples)`` in native order."""
    height, row = message.height, message.width * layout.pixel_bytes
    data = np.frombuffer(message.data, np.uint8)
    view = np.lib.stride_tricks.as_strided(data, (height, row), (message.step, 1), writeable=False)
    if layout.sample == "u1":
        return view
    sample = np.dtype(layout.sample)
    if message.is_bigendian:
        sample = sample.newbyteorder(">")
    return np.ascontiguousarray(view).view(sample).astype(sample.newbyteorder("="), copy=False)


def _planes(message: Any, kind: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Luma ``(H, W)`` and the two differences, subsampled as the layout has them; a size that is odd is rounded up."""
    height, width, step = message.height, message.width, message.step
    data = np.frombuffer(message.data, np.uint8)
    down, across, order = _PLANES[kind]
    rows, columns = -(-height // down), -(-width // across)

    def plane(start: int, count: int, row: int, stride: int) -> np.ndarray:
        return np.lib.stride_tricks.as_strided(data[start:], (count, row), (stride, 1), writeable=False)

    y = plane(0, height, width, step)
    if "," in order:
        stride = -(-step // across)
        first = plane(step * height, rows, columns, stride)
        second = plane(step * height + stride * rows, rows, columns, stride)
    else:
        both = plane(step * height, rows, 2 * columns, step if across > 1 else 2 * step)
        first, second = both[:, 0::2], both[:, 1::2]
    return (y, first, second) if order.startswith("u") else (y, second, first)


def fill_image(message: Any, pixels: np.ndarray) -> Any:
    """Puts ``(H, W)`` (mono8) or ``(H, W, 3)`` (rgb8) uint8 pixels into a sensor_msgs/Image and returns it.

    An `array.array` is what rclpy takes without a copy per element (0.1 ms for 0.9 MB).
    """
    pixels = np.ascontiguousarray(pixels)
    message.height, message.width = pixels.shape[:2]
    message.encoding = "mono8" if pixels.ndim == 2 else "rgb8"
    message.step = pixels.nbytes // pixels.shape[0]
    message.is_bigendian = 0
    data = array.array("B")
    data.frombytes(pixels.data.cast("B"))
    message.data = data
    return message
