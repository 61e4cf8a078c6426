"""One set of expectations for both converters: cv_bridge (where installed) and our own."""

import array
import io
from fractions import Fraction

import numpy as np
import pytest
from sensor_msgs.msg import CompressedImage, Image

from halsie_ros.errors import CodecError
from halsie_ros.pictures import image_message as images

CONVERTERS = ["numpy", *(["cv_bridge"] if images._cv_bridge() else [])]


@pytest.fixture(params=CONVERTERS)
def converter(request):
    return images.ImageConverter(use_cv_bridge=request.param == "cv_bridge")


@pytest.mark.skipif("cv_bridge" not in CONVERTERS, reason="cv_bridge is not installed (it comes with a ROS install)")
def test_cv_bridge_is_used_where_it_is_installed():
    assert images.ImageConverter()._bridge is not None


def message(encoding, samples, *, padding=0, big=False):
    """An Image whose rows hold `samples` (H, bytes or u16 samples) and end with garbage padding."""
    samples = np.asarray(samples)
    height = samples.shape[0]
    raw = samples.astype(">u2" if big else "<u2").view(np.uint8) if samples.dtype == np.uint16 else samples
    rows = np.hstack([raw.reshape(height, -1), np.full((height, padding), 77, np.uint8)]).astype(np.uint8)
    width = raw.reshape(height, -1).shape[1] // images._PIXEL_BYTES[images._ALIASES.get(encoding, encoding)]
    return Image(
        height=height,
        width=width,
        step=rows.shape[1],
        encoding=encoding,
        is_bigendian=int(big),
        data=array.array("B", rows.tobytes()),
    )


COLOURS = np.array([[[10, 20, 30], [40, 50, 60]], [[70, 80, 90], [255, 0, 128]]], np.uint8)


@pytest.mark.parametrize("padding", [0, 5])
@pytest.mark.parametrize(
    ("encoding", "order"), [("rgb8", [0, 1, 2]), ("bgr8", [2, 1, 0]), ("rgba8", [0, 1, 2, 0]), ("bgra8", [2, 1, 0, 0])]
)
def test_colours_come_out_as_rgb_whatever_their_order_and_padding(converter, encoding, order, padding):
    stored = COLOURS[..., order]
    np.testing.assert_array_equal(converter.convert(message(encoding, stored, padding=padding)), COLOURS)


def test_grey_stays_grey(converter):
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
    np.testing.assert_array_equal(converter.convert(message("mono8", grey, padding=3)), grey)


@pytest.mark.parametrize("big", [False, True])
def test_sixteen_bits_scale_to_eight_in_either_byte_order(converter, big):
    grey = np.array([[0, 257, 65535], [25700, 128, 129]], np.uint16)
    expected = np.array([[0, 1, 255], [100, 0, 1]], np.uint8)
    np.testing.assert_array_equal(converter.convert(message("mono16", grey, big=big, padding=2)), expected)


@pytest.mark.parametrize(
    ("encoding", "quad"),
    [("yuv422", [90, 81, 240, 81]), ("yuv422_yuy2", [81, 90, 81, 240])],
)
def test_yuv422_red_is_red(converter, encoding, quad):
    rgb = converter.convert(message(encoding, np.tile(np.array(quad, np.uint8), (2, 2)), padding=4))
    assert rgb.shape == (2, 4, 3)
    assert np.abs(rgb.astype(int) - [255, 0, 0]).max() <= 2


@pytest.mark.parametrize(("encoding", "same_as"), [("uyvy", "yuv422"), ("yuyv", "yuv422_yuy2")])
def test_newer_names_of_yuv422_mean_the_same(converter, encoding, same_as):
    samples = np.random.default_rng(1).integers(0, 256, (4, 8), np.uint8)
    ours = images.ImageConverter(use_cv_bridge=False)
    np.testing.assert_array_equal(
        converter.convert(message(encoding, samples)), ours.convert(message(same_as, samples))
    )


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
def test_bayer_of_one_colour_gives_that_colour(converter, pattern, bits):
    colour = {"r": 200, "g": 100, "b": 50}
    tile = np.array([colour[c] for c in pattern]).reshape(2, 2)
    mosaic = np.tile(tile, (3, 4))
    samples = (mosaic * 257).astype(np.uint16) if bits == 16 else mosaic.astype(np.uint8)
    rgb = converter.convert(message(f"bayer_{pattern}{bits}", samples, padding=2))
    assert rgb.shape == (6, 8, 3)
    assert np.abs(rgb[1:-1, 1:-1].astype(int) - [200, 100, 50]).max() <= 1


def test_bayer_interpolates_between_its_neighbours():
    raw = np.zeros((4, 4), np.uint8)
    raw[0, 0], raw[0, 2], raw[2, 0], raw[2, 2] = 10, 30, 50, 70  # the red pixels of rggb
    red = images.demosaic(raw, "rggb")[..., 0]
    assert (red[0, 0], red[0, 1], red[1, 0], red[1, 1]) == (10, 20, 30, 40)
    assert red[3, 3] == 70  # the edge is reflected


def test_bayer_of_odd_size_keeps_its_size(converter):
    assert converter.convert(message("bayer_grbg8", np.full((5, 7), 9, np.uint8))).shape == (5, 7, 3)


def encoded(codec, pixel_format, pixels):
    import av

    layout = {"mjpeg": "yuvj444p", "png": pixel_format}[codec]
    context = av.CodecContext.create(codec, "w")
    context.height, context.width = pixels.shape[:2]
    context.pix_fmt, context.time_base = layout, Fraction(1, 25)
    frame = av.VideoFrame.from_ndarray(pixels, format=pixel_format).reformat(format=layout)
    stream = io.BytesIO()
    for packet in context.encode(frame) + context.encode(None):
        stream.write(bytes(packet))
    return stream.getvalue()


def test_png_comes_out_exactly(converter):
    pixels = np.random.default_rng(2).integers(0, 256, (16, 24, 3), np.uint8)
    data = array.array("B", encoded("png", "rgb24", pixels))
    for label in ("png", "rgb8; png compressed bgr8", ""):
        np.testing.assert_array_equal(converter.convert(CompressedImage(format=label, data=data)), pixels)


def test_grey_png_stays_grey(converter):
    pixels = np.arange(16 * 24, dtype=np.uint8).reshape(16, 24)
    data = array.array("B", encoded("png", "gray", pixels))
    np.testing.assert_array_equal(converter.convert(CompressedImage(format="mono8; png", data=data)), pixels)


def test_jpeg_comes_out_in_full_range(converter):
    pixels = np.full((16, 24, 3), [250, 20, 10], np.uint8)
    data = array.array("B", encoded("mjpeg", "rgb24", pixels))
    decoded = converter.convert(CompressedImage(format="jpeg", data=data))
    assert decoded.shape == pixels.shape
    assert np.abs(decoded.astype(int) - pixels).max() <= 8


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"encoding": "32FC1"}, "image encoding is '32FC1': publish one of"),
        ({"width": 0}, "no picture can have that size"),
        ({"step": 3}, "needs a step of 4"),
        ({"height": 9}, "36 bytes at least"),
    ],
)
def test_a_bad_image_is_refused_in_one_line(converter, change, said):
    bad = message("mono8", np.zeros((3, 4), np.uint8))
    for name, value in change.items():
        setattr(bad, name, value)
    with pytest.raises(CodecError, match=said) as refusal:
        converter.convert(bad)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("data", [b"", b"GIF89a..", b"\x89PNG\r\n\x1a\n cut short", b"\xff\xd8\xff\xe0 cut short"])
def test_a_bad_compressed_image_is_refused_in_one_line(converter, data):
    with pytest.raises(CodecError, match="compressed image") as refusal:
        converter.convert(CompressedImage(format="jpeg", data=array.array("B", data)))
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(("shape", "encoding"), [((4, 6), "mono8"), ((4, 6, 3), "rgb8")])
def test_pixels_survive_a_message(converter, shape, encoding):
    pixels = np.random.default_rng(3).integers(0, 256, shape, np.uint8)
    filled = images.fill_image(Image(), pixels[:, ::-1])
    assert (filled.encoding, filled.height, filled.width) == (encoding, 4, 6)
    np.testing.assert_array_equal(converter.convert(filled), pixels[:, ::-1])
