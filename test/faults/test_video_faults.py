"""Faults of an encoded stream, seeded: what is trusted equals what an undisturbed decoder shows at that stamp.

The plain suite takes one seed of each fault, `./halsie test --slow` all of them.
"""

from fractions import Fraction

import av
import numpy as np
import pytest

from halsie_ros.video.packets import Packet
from halsie_ros.video.stream import PacketStream

HEIGHT, WIDTH, FRAMES, GOP = 96, 128, 60, 10
FIRST, LAST = 15, 40
PERIOD_NS = 33_333_333
START_NS = 1_700_000_000_000_000_000
SEEDS = 8


@pytest.fixture(scope="module")
def packets():
    """A moving texture in H.264, a key picture every ten."""
    context = av.CodecContext.create("libx264", "w")
    context.height, context.width, context.pix_fmt = HEIGHT, WIDTH, "yuv420p"
    context.time_base, context.gop_size, context.max_b_frames = Fraction(1, 30), GOP, 0
    context.options = {"preset": "veryfast", "tune": "zerolatency"}
    coarse = np.random.default_rng(0).integers(0, 255, (HEIGHT // 8, WIDTH // 4)).astype(np.uint8)
    texture = np.kron(coarse, np.ones((8, 8), np.uint8))
    made = []
    for number in range(FRAMES):
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(texture[:, number : number + WIDTH]), format="gray")
        picture = picture.reformat(format="yuv420p")
        picture.pts = number
        made += [bytes(packet) for packet in context.encode(picture)]
    made += [bytes(packet) for packet in context.encode(None)]
    assert len(made) == FRAMES
    return [Packet("h264", data, number, START_NS + number * PERIOD_NS) for number, data in enumerate(made)]


def shown(packets):
    """Luma of the trusted pictures by stamp."""
    stream, found = PacketStream(), {}
    for packet in packets:
        for frame in stream.push(packet):
            if frame.trusted:
                found[frame.stamp_ns] = np.array(frame.luma)
    return found, stream


def drop(share):
    def fault(rng, packets):
        return [p for n, p in enumerate(packets) if not FIRST <= n < LAST or rng.random() >= share]

    return fault


def gap(rng, packets):
    length = int(rng.integers(2, 20))
    return packets[:FIRST] + packets[FIRST + length :]


def duplicate(rng, packets):
    return [p for n, p in enumerate(packets) for _ in range(2 if FIRST <= n < LAST and rng.random() < 0.3 else 1)]


def swapped(rng, packets):
    packets = list(packets)
    place = int(rng.integers(FIRST, LAST))
    packets[place], packets[place + 1] = packets[place + 1], packets[place]
    return packets


def cut(rng, packets):
    packets = list(packets)
    for _ in range(3):
        place = int(rng.integers(FIRST, LAST))
        packet = packets[place]
        data = packet.data[: int(rng.integers(1, len(packet.data)))]
        packets[place] = Packet(packet.codec, data, packet.pts, packet.stamp_ns)
    return packets


def emptied(rng, packets):
    packets = list(packets)
    packet = packets[place := int(rng.integers(FIRST, LAST))]
    packets[place] = Packet(packet.codec, b"", packet.pts, packet.stamp_ns)
    return packets


def noise(rng, packets):
    packets = list(packets)
    packet = packets[place := int(rng.integers(FIRST, LAST))]
    packets[place] = Packet(packet.codec, rng.bytes(len(packet.data)), packet.pts, packet.stamp_ns)
    return packets


def joined_late(rng, packets):
    return packets[int(rng.integers(1, GOP)) :]


FAULTS = {
    "1 % lost": drop(0.01),
    "10 % lost": drop(0.1),
    "half lost": drop(0.5),
    "a gap": gap,
    "duplicates": duplicate,
    "two packets swapped": swapped,
    "packets cut short": cut,
    "an empty packet": emptied,
    "noise for a packet": noise,
    "joined in the middle of a group": joined_late,
}


def pytest_generate_tests(metafunc):
    """One seed, or with `--slow` all."""
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", range(SEEDS if metafunc.config.getoption("--slow") else 1))


@pytest.mark.parametrize("name", FAULTS)
def test_nothing_untrue_is_trusted_and_the_stream_recovers_with_a_key_picture(packets, name, seed):
    whole, _ = shown(packets)
    assert len(whole) >= FRAMES - 2
    found, _ = shown(FAULTS[name](np.random.default_rng(seed), list(packets)))
    for stamp_ns, luma in found.items():
        assert np.array_equal(luma, whole[stamp_ns]), f"picture {(stamp_ns - START_NS) // PERIOD_NS} is not what it was"
    after = {p.stamp_ns for p in packets[LAST + GOP + 1 :]} & whole.keys()
    assert after <= found.keys(), "from the second key picture after the fault on all is as before"
