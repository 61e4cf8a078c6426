"""Image messages to arrays: RGB or grey, eight bits. cv_bridge does it where a ROS install has it, numpy elsewhere."""

from __future__ import annotations

import array
import functools
import itertools
from typing import Any

import numpy as np

from halsie_ros.errors import CodecError

_ALIASES = {"8UC1": "mono8", "8UC3": "bgr8", "uyvy": "yuv422", "yuyv": "yuv422_yuy2"}
_PIXEL_BYTES = {"mono8": 1, "mono16": 2, "rgb8": 3, "bgr8": 3, "rgba8": 4, "bgra8": 4, "yuv422": 2, "yuv422_yuy2": 2}
_BAYER = ("rggb", "bggr", "gbrg", "grbg")
_PIXEL_BYTES |= {f"bayer_{pattern}{bits}": bits // 8 for pattern in _BAYER for bits in (8, 16)}
ENCODINGS = tuple(sorted([*_PIXEL_BYTES, *_ALIASES]))

_COMPRESSED = {b"\xff\xd8\xff": "mjpeg", b"\x89PNG": "png"}


def image_size(message: Any) -> tuple[int, int]:
    """``(height, width)`` of a sensor_msgs/Image after its layout was checked; raises CodecError in one line."""
    encoding = _ALIASES.get(message.encoding, message.encoding)
    height, width, step = message.height, message.width, message.step
    if encoding not in _PIXEL_BYTES:
        raise CodecError(f"image encoding is {message.encoding!r}: publish one of {', '.join(ENCODINGS)}")
    if not height or not width or (encoding.startswith("yuv422") and width % 2):
        raise CodecError(f"image is {width}x{height} in {message.encoding}: no picture can have that size")
    row = width * _PIXEL_BYTES[encoding]
    needed = step * (height - 1) + row
    if step < row or len(message.data) < needed:
        raise CodecError(
            f"image of {width}x{height} {message.encoding} has step {step} and {len(message.data)} bytes: "
            f"needs a step of {row} and {needed} bytes at least"
        )
    return int(height), int(width)


class ImageConverter:
    """Turns Image and CompressedImage messages into ``(H, W, 3)`` RGB or ``(H, W)`` grey, uint8.

    Args:
        use_cv_bridge: False forces our own converter.
    """

    def __init__(self, use_cv_bridge: bool = True) -> None:
        self._bridge = _cv_bridge() if use_cv_bridge else None

    def convert(self, message: Any) -> np.ndarray:
        """The picture of a sensor_msgs/Image or CompressedImage (jpeg, png); raises CodecError in one line."""
        if hasattr(message, "format"):
            return decode_compressed(bytes(message.data), message.format)
        image_size(message)
        encoding = _ALIASES.get(message.encoding, message.encoding)
        if self._bridge is not None and message.encoding not in _ALIASES:
            return self._bridge.imgmsg_to_cv2(message, "mono8" if encoding.startswith("mono") else "rgb8")
        return _convert(message, encoding)


@functools.cache
def _cv_bridge() -> Any | None:
    try:
        from cv_bridge import CvBridge

        return CvBridge()
    except Exception:  # absent, or built for another numpy, which fails in several ways
        return None


def decode_compressed(data: bytes, label: str) -> np.ndarray:
    """Decodes one JPEG or PNG to ``(H, W, 3)`` RGB or ``(H, W)`` grey; `label` is the message's format, for the error.

    The first bytes decide the codec: drivers fill `format` in many ways.
    """
    import av

    codec = next((codec for magic, codec in _COMPRESSED.items() if data.startswith(magic)), None)
    if codec is None:
        raise CodecError(f"compressed image of format {label!r} is neither JPEG nor PNG: publish one of these")
    try:
        context: Any = av.CodecContext.create(codec, "r")
        context.thread_count = 1  # frame threads would hold the picture back
        frames = context.decode(av.Packet(data)) or context.decode(None)
        frame = frames[0]
    except (av.FFmpegError, IndexError) as error:
        raise CodecError(f"compressed image ({codec}, {len(data)} bytes) cannot be decoded: {error}") from error
    if frame.format.name.startswith("gray"):
        return frame.to_ndarray(format="gray")
    return frame.to_ndarray(format="rgb24")


def _convert(message: Any, encoding: str) -> np.ndarray:
    rows = _rows(message, encoding)
    if encoding.endswith("16"):
        rows = _to_eight_bits(rows)
    if encoding.startswith("mono"):
        return rows
    if encoding.startswith("bayer"):
        return demosaic(rows, encoding[6:10])
    if encoding.startswith("yuv422"):
        return _yuv422_to_rgb(rows.reshape(message.height, message.width // 2, 4), luma=int(encoding == "yuv422"))
    pixels = rows.reshape(message.height, message.width, -1)[..., :3]
    return pixels if encoding.startswith("rgb") else pixels[..., ::-1]


def _rows(message: Any, encoding: str) -> np.ndarray:
    """The samples of each row without its padding: ``(H, samples)`` uint8 or uint16 in native order."""
    height, row = message.height, message.width * _PIXEL_BYTES[encoding]
    data = np.frombuffer(message.data, np.uint8)
    view = np.lib.stride_tricks.as_strided(data, (height, row), (message.step, 1), writeable=False)
    if not encoding.endswith("16"):
        return view
    return np.ascontiguousarray(view).view(">u2" if message.is_bigendian else "<u2")


def _to_eight_bits(samples: np.ndarray) -> np.ndarray:
    """round(v / 257), so that 65535 becomes 255, in integers."""
    return ((samples.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _yuv422_to_rgb(quads: np.ndarray, luma: int) -> np.ndarray:
    """``(H, W/2, 4)`` quads to ``(H, W, 3)`` RGB: BT.601, limited range, as OpenCV has it; `luma`: index of Y0."""
    height, half, _ = quads.shape
    y = quads[..., luma::2].astype(np.float32).reshape(height, half * 2, 1)
    u, v = (quads[..., 1 - luma + 2 * i].astype(np.float32) - 128.0 for i in (0, 1))
    chroma = np.stack([1.596 * v, -0.391 * u - 0.813 * v, 2.018 * u], axis=-1)
    rgb = 1.164 * (y - 16.0) + np.repeat(chroma, 2, axis=1)
    return np.clip(np.rint(rgb), 0, 255).astype(np.uint8)


def demosaic(raw: np.ndarray, pattern: str) -> np.ndarray:
    """Bilinear interpolation of a Bayer mosaic.

    Args:
        raw: ``(H, W)`` uint8.
        pattern: colours of the top left 2x2 pixels by rows: rggb, bggr, gbrg or grbg.

    Returns:
        ``(H, W, 3)`` uint8, RGB.
    """
    height, width = raw.shape
    padded = np.pad(raw, 1, mode="reflect").astype(np.uint16)  # reflection keeps each colour on its parity
    rgb = np.empty((height, width, 3), np.uint8)
    for top, left in itertools.product((0, 1), (0, 1)):
        rows, columns = len(range(top, height, 2)), len(range(left, width, 2))

        def near(dy: int, dx: int, top=top, left=left, rows=rows, columns=columns) -> np.ndarray:
            y, x = 1 + top + dy, 1 + left + dx
            return padded[y : y + 2 * rows - 1 : 2, x : x + 2 * columns - 1 : 2]

        colour = pattern[2 * top + left]
        out = rgb[top::2, left::2]
        centre = near(0, 0)
        across = (near(0, -1) + near(0, 1) + 1) // 2
        along = (near(-1, 0) + near(1, 0) + 1) // 2
        if colour == "g":
            red_in_row = "r" in pattern[2 * top : 2 * top + 2]
            channels = (across, centre, along) if red_in_row else (along, centre, across)
        else:
            cross = (near(0, -1) + near(0, 1) + near(-1, 0) + near(1, 0) + 2) // 4
            diagonal = (near(-1, -1) + near(-1, 1) + near(1, -1) + near(1, 1) + 2) // 4
            channels = (centre, cross, diagonal) if colour == "r" else (diagonal, cross, centre)
        for index, channel in enumerate(channels):
            out[..., index] = channel
    return rgb


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
