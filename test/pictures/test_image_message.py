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
    if samples.dtype.kind in "uf" and samples.dtype.itemsize > 1:
        samples = samples.astype(samples.dtype.newbyteorder(">" if big else "<")).view(np.uint8)
    raw = samples
    rows = np.hstack([raw.reshape(height, -1), np.full((height, padding), 77, np.uint8)]).astype(np.uint8)
    pixel = images._LAYOUTS[images._ALIASES.get(encoding, encoding)].pixel_bytes
    width = raw.reshape(height, -1).shape[1] // pixel
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
        ({"encoding": "32SC1"}, "image encoding is '32SC1': publish one of"),
        ({"encoding": "nv12"}, "needs a step of 4 and 20 bytes at least"),
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


@pytest.mark.parametrize("encoding", ["mono16", "16UC1", "bayer_rggb16", "rgb16", "bgra16", "rgb48"])
@pytest.mark.parametrize("bits", [10, 12, 14, 16])
@pytest.mark.parametrize("big", [False, True])
def test_fewer_bits_than_sixteen_fill_the_whole_range(encoding, bits, big):
    top = (1 << bits) - 1
    samples = np.linspace(0, top, 240).astype(np.uint16)[None].repeat(4, 0)
    learned = images.ImageConverter(use_cv_bridge=False)
    picture = learned.convert(message(encoding, samples, big=big, padding=6))
    assert picture.max() >= 254 and (learned.bits, learned.learned) == (bits, True)
    told = images.ImageConverter(use_cv_bridge=False, bits=bits)
    np.testing.assert_array_equal(told.convert(message(encoding, samples, big=big)), picture)


def test_the_bits_of_a_stream_only_grow():
    converter = images.ImageConverter()
    for top, bits in ((900, 10), (4000, 12), (100, 12), (4000, 12)):
        picture = converter.convert(message("mono16", np.full((2, 2), top, np.uint16)))
        assert converter.bits == bits and picture[0, 0] == round(top * 255 / ((1 << bits) - 1))
    fixed = images.ImageConverter(bits=12)
    assert fixed.convert(message("mono16", np.full((2, 2), 65535, np.uint16)))[0, 0] == 255
    assert not fixed.learned


@pytest.mark.parametrize(("largest", "expected"), [(0.5, 128), (1.0, 255), (200.0, 200), (1020.0, 255)])
def test_grey_in_floating_point_counts_to_one_to_255_or_to_what_the_largest_tells(largest, expected):
    samples = np.array([[0, largest], [np.nan, -1]], np.float32)
    picture = images.ImageConverter().convert(message("32FC1", samples, padding=4))
    np.testing.assert_array_equal(picture, [[0, expected], [0, 0]])


def planar(kind, y, u, v, padding):
    """The bytes of a picture in planes, rows of luma padded; chroma (H, W) is subsampled here."""
    down, across, order = images._PLANES[kind]
    small = {"u": u[::down, ::across], "v": v[::down, ::across]}
    step = y.shape[1] + padding
    rows = [np.pad(y, ((0, 0), (0, padding)), constant_values=77).tobytes()]
    if "," in order:
        stride = -(-step // across)
        for name in order.split(","):
            plane = small[name]
            rows.append(np.pad(plane, ((0, 0), (0, stride - plane.shape[1])), constant_values=77).tobytes())
    else:
        both = np.stack([small[name] for name in order], -1).reshape(small["u"].shape[0], -1)
        stride = step if across > 1 else 2 * step
        rows.append(np.pad(both, ((0, 0), (0, stride - both.shape[1])), constant_values=77).tobytes())
    return step, b"".join(rows)


@pytest.mark.parametrize("kind", list(images._PLANES))
@pytest.mark.parametrize("padding", [0, 6])
def test_pictures_in_planes_have_the_colours_of_the_same_picture_in_pixels(kind, padding):
    rng = np.random.default_rng(4)
    y = rng.integers(16, 236, (8, 12), np.uint8)
    u, v = (rng.integers(16, 240, (4, 6), np.uint8).repeat(2, 0).repeat(2, 1) for _ in range(2))
    step, data = planar(kind, y, u, v, padding)
    picture = Image(height=8, width=12, step=step, encoding=kind, data=array.array("B", data))
    expected = images.ImageConverter().convert(message("yuv444", np.stack((y, u, v), -1)))
    np.testing.assert_array_equal(images.ImageConverter().convert(picture), expected)
    picture.encoding = kind.upper()
    np.testing.assert_array_equal(images.ImageConverter().convert(picture), expected)
    picture.data = picture.data[: -padding - 13]
    with pytest.raises(CodecError, match="bytes at least"):
        images.ImageConverter().convert(picture)


class Bridge:
    """What cv_bridge's imgmsg_to_cv2 (humble to rolling) does with rows: whole pixels of step bytes, then cropped."""

    def __init__(self):
        self.channels = {"rgb8": 3, "bgr8": 3, "rgba8": 4, "mono8": 1}
        self.calls = 0

    def imgmsg_to_cv2(self, message, wanted):
        self.calls += 1
        n = self.channels[message.encoding]
        pixels = np.ndarray((message.height, message.step // n, n), np.uint8, message.data)[:, : message.width]
        return (
            pixels[..., 0] if n == 1 else pixels[..., :3] if message.encoding.startswith("rgb") else pixels[..., ::-1]
        )


@pytest.mark.parametrize(("encoding", "pixel"), [("rgb8", 3), ("bgr8", 3), ("rgba8", 4), ("mono8", 1)])
@pytest.mark.parametrize("padding", [0, 1, 2, 3, 4, 5, 8, 64, 128])
def test_row_padding_of_any_size_is_no_pixel_where_a_bridge_is_installed(monkeypatch, encoding, pixel, padding):
    bridge = Bridge()
    monkeypatch.setattr(images, "_cv_bridge", lambda: bridge)
    rows = np.random.default_rng(5).integers(0, 256, (6, 34 * pixel), np.uint8)
    ours, theirs = images.ImageConverter(use_cv_bridge=False), images.ImageConverter()
    picture = message(encoding, rows, padding=padding)
    picture.width = 34
    np.testing.assert_array_equal(theirs.convert(picture), ours.convert(picture))
    assert bridge.calls == (padding == 0)


def test_what_the_bridge_refuses_our_own_converter_takes(monkeypatch):
    monkeypatch.setattr(images, "_cv_bridge", Bridge)
    pixels = np.random.default_rng(6).integers(0, 256, (4, 12), np.uint8)
    picture = message("bgra8", pixels)  # not in its list: it raises KeyError
    ours = images.ImageConverter(use_cv_bridge=False)
    np.testing.assert_array_equal(images.ImageConverter().convert(picture), ours.convert(picture))


@pytest.mark.parametrize("codec", ["mjpeg", "png"])
def test_a_compressed_picture_that_lost_bytes_is_refused(converter, codec):
    rng = np.random.default_rng(7)
    pixels = rng.integers(0, 256, (12, 16, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    data = encoded(codec, "rgb24", pixels)
    for share in (0.2, 0.5, 0.9):
        with pytest.raises(CodecError, match="damaged"):
            converter.convert(CompressedImage(format=codec, data=array.array("B", data[: int(len(data) * share)])))
    hole = bytearray(data)
    hole[len(data) // 2 : len(data) // 2 + 100] = bytes(100)
    with pytest.raises(CodecError, match="damaged"):
        converter.convert(CompressedImage(format=codec, data=array.array("B", bytes(hole))))


@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"quality": 5}, {"subsampling": 0}, {"restart_marker_rows": 1}]
)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_whole_jpegs_of_every_make_are_no_damage(converter, options, mode):
    pil = pytest.importorskip("PIL.Image")
    stream = io.BytesIO()
    pixels = np.random.default_rng(8).integers(0, 256, (9, 13, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    pil.fromarray(pixels).convert(mode).save(stream, "JPEG", **options)
    for data in (stream.getvalue(), stream.getvalue()[:-2], stream.getvalue() + b"\0" * 7):  # no end, padding
        decoded = converter.convert(CompressedImage(format="jpeg", data=array.array("B", data)))
        assert decoded.shape == (pixels.shape if mode == "RGB" else pixels.shape[:2])


def test_a_png_of_sixteen_bits_is_taken_as_such():
    converter = images.ImageConverter()
    samples = np.linspace(0, 4095, 384).astype(np.uint16).reshape(16, 24)
    data = encoded("png", "gray16be", samples)
    picture = converter.convert(CompressedImage(format="16UC1; png", data=array.array("B", data)))
    assert converter.bits == 12 and picture.max() == 255
