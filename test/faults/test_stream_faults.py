"""Faults of two streams, seeded: every mask has the stamp of its own picture, none misleads, and the stream recovers.

The synchroniser and the mask stream run as in the node, on a clock of the test's own; the network only writes down
what it is asked. The plain suite takes one seed of each fault, `./halsie test --slow` all of them.
"""

from types import SimpleNamespace

import numpy as np
import pytest

from halsie_ros.events import Events
from halsie_ros.events.windows import EventRing
from halsie_ros.geometry.alignment import Alignment
from halsie_ros.segmentation.pipeline import State
from halsie_ros.segmentation.stream import MaskStream
from halsie_ros.segmentation.synchronizer import Synchronizer, Timing

HEIGHT, WIDTH = 48, 64
PERIOD_US = 50_000
START_US = 1_700_000_000_000_000
FRAMES, FIRST, LAST = 60, 20, 40
"""Frames of a run, and those between which the fault lies."""
SEEDS = 10


class Network:
    """Writes down the pictures and events that it is asked about."""

    def __init__(self):
        self.asked = []

    def step(self, frame, events, state, **options):
        self.asked.append(SimpleNamespace(frame=frame, events=events, t1_us=options["t1_us"]))
        return SimpleNamespace(state=State(options["size"], {"one": None}), frame_weight=1.0)


class Run:
    """A drive at 20 Hz with a fault in its middle third."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.network = Network()
        self.masks = MaskStream(self.network, Alignment("identity"))
        self.synchronizer = Synchronizer(Timing(PERIOD_US), EventRing)
        self.now_s = 100.0
        self.answers = []  # (number of the frame or None, stamp in us, word, picture used)
        self.sent = {}
        self.words = []

    def picture(self):
        return self.rng.integers(40, 200, (HEIGHT, WIDTH, 3), dtype=np.uint8)

    def frame(self, image, stamp_us):
        self.sent.setdefault(stamp_us, []).append(image)
        self.synchronizer.push_frame(image, stamp_us * 1000, self.now_s)

    def events(self, begin_us, end_us, count=200, hot=0):
        t_us = np.sort(self.rng.integers(begin_us + 1, end_us + 1, count + hot))
        x, y = self.rng.integers(0, WIDTH, count + hot), self.rng.integers(0, HEIGHT, count + hot)
        if hot:
            place = self.rng.permutation(count + hot)[:hot]
            x[place], y[place] = 5, 7
        self.synchronizer.push_events(Events.of(x, y, t_us, t_us % 2), self.now_s, stamp_us=end_us)

    def work(self, seconds=PERIOD_US / 1e6):
        """Lets time pass and does what is due."""
        for _ in range(10):
            self.now_s += seconds / 10
            while (choice := self.synchronizer.choose(self.now_s)) is not None:
                step = self.synchronizer.cut(choice, self.now_s)
                before = len(self.network.asked)
                result = self.masks.run(step, choice.frame, (HEIGHT, WIDTH))
                word = self.masks.senses.status.word
                self.words.append(word)
                if result is not None:
                    used = self.network.asked[before].frame
                    self.answers.append((choice.frame, step.stamp_ns // 1000, word, used))

    def drive(self, fault):
        for number in range(FRAMES):
            stamp_us = START_US + number * PERIOD_US
            if not (fault and FIRST <= number < LAST and fault(self, number, stamp_us)):
                self.events(stamp_us - PERIOD_US, stamp_us)
                self.frame(self.picture(), stamp_us)
            self.work()
        self.work(1.0)


def lost(share):
    def fault(run, number, stamp_us):
        if run.rng.random() < share:
            run.events(stamp_us - PERIOD_US, stamp_us)
            return True

    return fault


def lost_events(run, number, stamp_us):
    if run.rng.random() < 0.5:
        run.frame(run.picture(), stamp_us)
        return True


def dead_frames(run, number, stamp_us):
    run.events(stamp_us - PERIOD_US, stamp_us)
    return True


def dead_events(run, number, stamp_us):
    run.frame(run.picture(), stamp_us)
    return True


def dead(run, number, stamp_us):
    return True


def duplicates(run, number, stamp_us):
    run.events(stamp_us - PERIOD_US, stamp_us)
    image = run.picture()
    for _ in range(int(run.rng.integers(2, 4))):
        run.frame(image, stamp_us)
    return True


def out_of_order(run, number, stamp_us):
    if number % 2:
        return True  # it comes with the next one
    run.events(stamp_us - PERIOD_US, stamp_us + PERIOD_US)
    run.frame(run.picture(), stamp_us + PERIOD_US)
    run.frame(run.picture(), stamp_us)
    return True


def future(run, number, stamp_us):
    run.events(stamp_us - PERIOD_US, stamp_us)
    run.frame(run.picture(), stamp_us + int(run.rng.integers(1, 10)) * 1_000_000)
    return True


def backward(run, number, stamp_us):
    back_us = 3_600_000_000
    run.events(stamp_us - PERIOD_US - back_us, stamp_us - back_us)
    run.frame(run.picture(), stamp_us - back_us)
    return True


def zero(run, number, stamp_us):
    run.events(stamp_us - PERIOD_US, stamp_us)
    run.frame(run.picture(), 0)
    return True


def burst(run, number, stamp_us):
    if number % 5 < 4:
        return True
    for late in range(4, -1, -1):
        run.events(stamp_us - (late + 1) * PERIOD_US, stamp_us - late * PERIOD_US)
        run.frame(run.picture(), stamp_us - late * PERIOD_US)
    return True


def hot_pixel(run, number, stamp_us):
    run.events(stamp_us - PERIOD_US, stamp_us, hot=40)
    run.frame(run.picture(), stamp_us)
    return True


def flood(run, number, stamp_us):
    run.events(stamp_us - PERIOD_US, stamp_us, count=12_000)
    run.frame(run.picture(), stamp_us)
    return True


def shown(change):
    def fault(run, number, stamp_us):
        run.events(stamp_us - PERIOD_US, stamp_us)
        run.frame(change(run, number), stamp_us)
        return True

    return fault


def frozen_picture(run, number):
    if number == FIRST:
        run.still = run.picture()
    return run.still


def torn_picture(run, number):
    image = run.picture()
    image[HEIGHT // 2 :] = 0
    return image


FAULTS = {
    "frames, 1 % lost": (lost(0.01), ""),
    "frames, 10 % lost": (lost(0.1), ""),
    "frames, 50 % lost": (lost(0.5), ""),
    "events, half of the packets lost": (lost_events, ""),
    "frames dead": (dead_frames, "frames_gone"),
    "events dead": (dead_events, "events_gone"),
    "both dead": (dead, ""),
    "duplicates": (duplicates, ""),
    "out of order": (out_of_order, ""),
    "stamps in the future": (future, ""),
    "a jump back": (backward, ""),
    "stamps zero": (zero, ""),
    "bursts": (burst, ""),
    "a hot pixel": (hot_pixel, ""),
    "a flood": (flood, "flood"),
    "black pictures": (shown(lambda run, number: np.zeros((HEIGHT, WIDTH, 3), np.uint8)), "dark"),
    "white pictures": (shown(lambda run, number: np.full((HEIGHT, WIDTH, 3), 255, np.uint8)), "blown_out"),
    "the same picture": (shown(frozen_picture), "frozen"),
    "torn pictures": (shown(torn_picture), "torn"),
}


def pytest_generate_tests(metafunc):
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", range(SEEDS if metafunc.config.getoption("--slow") else 1))


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named_no_mask_lies_and_the_stream_recovers(name, seed):
    fault, word = FAULTS[name]
    run = Run(seed)
    run.drive(fault)
    if word:
        assert word in run.words
    for frame, stamp_us, _, used in run.answers:
        if frame is not None and name != "stamps zero":  # those are answered at the time of their arrival
            assert any(frame is image for image in run.sent.get(stamp_us, [])), "a mask with a stamp of another picture"
        if used is not None:
            assert used.max() - used.min() > 20, "a mask from a picture that shows nothing"
            assert not (used[HEIGHT // 2 :] == 0).all(), "a mask from a torn picture"
    if name != "both dead":
        assert len(run.answers) >= 25
    healthy = {id(run.sent[START_US + number * PERIOD_US][-1]) for number in range(LAST + 12, FRAMES)}
    answered = {id(used) for _, _, _, used in run.answers if used is not None}
    assert len(healthy & answered) >= len(healthy) - 1, "half a second after the fault all is as before"
    assert run.words[-1] in ("ok", "frames_gone", "blind")


def test_without_a_fault_every_frame_is_answered(seed):
    run = Run(seed)
    run.drive(None)
    assert [stamp for frame, stamp, _, _ in run.answers if frame is not None] == sorted(run.sent)
    assert set(run.words) <= {"ok", "starting", "frames_gone"}
