"""The graph started as a user starts it, by launch where it is installed and by the same executables elsewhere.

The assertions are in `Scenarios`, once; who started the graph makes no difference to them.
"""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from halsie_ros.bags.recording import Recording
from halsie_ros.classes import DSEC_11
from halsie_ros.cli.main import main as halsie
from halsie_ros.evaluation.metrics import confusion, scores
from halsie_ros.simulation.miniatures import take_scene, write_dsec, write_mvsec
from halsie_ros.simulation.street.scene import demo_seed

REPOSITORY = Path(__file__).resolve().parents[2]
TOPICS = {"image": "/camera/image_raw", "events": "/event_camera/events"}
NAMESPACE = "robot"
LAUNCH = (
    "import sys; from launch import LaunchDescription, LaunchService; "
    "from launch.actions import IncludeLaunchDescription; "
    "from launch.launch_description_sources import PythonLaunchDescriptionSource as Source; "
    "service = LaunchService(noninteractive=True); pairs = [word.split(':=', 1) for word in sys.argv[2:]]; "
    "service.include_launch_description(LaunchDescription([IncludeLaunchDescription(Source(sys.argv[1]), "
    "launch_arguments=pairs)])); sys.exit(service.run())"
)

os.environ["ROS_PYTHON_CHECK_FIELDS"] = "1"
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
os.environ["ROS_DOMAIN_ID"] = str(1 + (os.getpid() + 50) % 100)
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["PYTHONUNBUFFERED"] = "1"
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH")]))


@dataclass
class Process:
    """A process of its own group, and where its words go."""

    popen: subprocess.Popen
    log: Path

    def wait_for(self, text: str, times: int = 1) -> None:
        """Waits until it has said so, so often."""
        until(lambda: self.output.count(text) >= times, lambda: self.output)

    @property
    def output(self) -> str:
        return self.log.read_text()

    def stop(self) -> int:
        """SIGINT to the process; the exit code."""
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGINT)
        try:
            return self.popen.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(self.popen.pid, signal.SIGKILL)
            raise


@dataclass
class Recorded:
    """What the recorder kept: masks by stamp, when they came, and the rest of its log."""

    masks: dict[int, np.ndarray] = field(default_factory=dict)
    arrived_ns: dict[int, int] = field(default_factory=dict)
    sent_ns: dict[int, int] = field(default_factory=dict)
    log: dict[str, Any] = field(default_factory=dict)
    progress: Path = Path()

    def wait_for(self, masks: int) -> None:
        """Waits until so many different masks have come."""
        until(lambda: int(self.progress.read_text() or 0) >= masks, lambda: self.progress.read_text())

    def latency_p95_ms(self) -> float:
        return float(np.percentile([(self.arrived_ns[s] - self.sent_ns[s]) / 1e6 for s in self.masks], 95))


class Bench:
    """Starts, replays and records in the test's own ROS domain."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._count = 0

    def start(self, *words: object) -> Process:
        self._count += 1
        log = self.folder / f"{self._count}.log"
        with log.open("w") as out:
            popen = subprocess.Popen(
                [sys.executable, *map(str, words)], stdout=out, stderr=subprocess.STDOUT, start_new_session=True
            )
        return Process(popen, log)

    def replay(self, bag: Path, *options: object) -> Process:
        return self.start("-m", "halsie_ros.cli.main", "bag", "replay", bag, *options)

    @contextmanager
    def recorder(self) -> Iterator[Recorded]:
        """Records from the moment it has found the graph; what it gives is filled at the end."""
        output, progress = self.folder / f"{self._count}.npz", self.folder / f"{self._count}.count"
        words = ["-p", f"output:={output}", "-p", f"progress:={progress}", "-r", f"__ns:=/{NAMESPACE}"]
        process = self.start("-m", "halsie_ros.nodes.recorder", "--ros-args", *words)
        recorded = Recorded(progress=progress)
        until(progress.exists, lambda: process.output)
        yield recorded
        time.sleep(1.2)  # the last masks, and diagnostics of all
        assert process.stop() == 0, process.output
        with np.load(output) as file:
            recorded.log = json.loads(str(file["log"]))
            for stamp, arrived_ns in zip(file["stamps_ns"].tolist(), file["arrived_ns"].tolist()):
                recorded.masks[stamp] = file[f"mask_{stamp}"]
                recorded.arrived_ns[stamp] = arrived_ns

    def play(self, bag: Path, rate: float) -> Recorded:
        """Replays a bag once into the running graph."""
        sent = self.folder / f"{self._count}.sent"
        with self.recorder() as recorded:
            player = self.replay(
                bag, "--rate", rate, "--sent", sent, "--wait", ",".join(TOPICS.values()), "--timeout", 60
            )
            assert player.popen.wait(90) == 0, player.output
        recorded.sent_ns = {int(stamp): value for stamp, value in json.loads(sent.read_text()).items()}
        return recorded


def until(done: Callable[[], object], story: Callable[[], str], timeout_s: float = 60.0) -> None:
    """Waits until `done()` holds; fails with the story when it never does."""
    end = time.monotonic() + timeout_s
    while not done():
        assert time.monotonic() < end, f"waited {timeout_s} s in vain:\n{story()}"
        time.sleep(0.05)


class Scenarios:
    """What must hold, whoever started the graph."""

    def __init__(self, bench: Bench, bags: dict[str, Path]) -> None:
        self.bench, self.bags = bench, bags

    def every_frame_is_answered(self, name: str, size: tuple[int, int], rate: float) -> Recorded:
        """Masks out = frames in, with their stamps and size; labels latched, nothing dropped."""
        run = self.bench.play(self.bags[name], rate)
        assert sorted(run.masks) == Recording(self.bags[name]).frame_stamps()
        assert {mask.shape for mask in run.masks.values()} == {size}
        assert run.log["label_info"]["segmentation"]["5"] == "road"
        for status in run.log["diagnostics"].values():
            dropped = {key: value for key, value in status["values"].items() if key.startswith("dropped_")}
            assert set(dropped.values()) <= {"0"}, dropped
        assert run.latency_p95_ms() > 0
        return run

    def masks_resemble_the_truth(self, name: str, run: Recorded, floor: float) -> float:
        """mIoU over the labelled frames is at least `floor`."""
        truth = dict(Recording(self.bags[name]).truth())
        assert truth and set(truth) <= set(run.masks)
        counts = sum(confusion(run.masks[stamp], label, len(DSEC_11)) for stamp, label in truth.items())
        miou = scores(counts).miou
        assert miou >= floor
        return miou

    def a_loop_leaves_no_frame_unanswered(self, name: str) -> None:
        """The bag plays round after round."""
        stamps = Recording(self.bags[name]).frame_stamps()
        with self.bench.recorder() as run:
            player = self.bench.replay(self.bags[name], "--loop", "--wait", ",".join(TOPICS.values()))
            run.wait_for(len(stamps))
            time.sleep(2.0)  # and once more
            assert player.stop() == 0
        assert sorted(run.masks) == stamps
        assert run.log["repeated_masks"] > 0


@pytest.fixture(scope="session")
def bags(tmp_path_factory) -> dict[str, Path]:
    """Miniature DSEC (frames warped into the event view) and MVSEC sequences, as bags of both storages."""
    pytest.importorskip("h5py", reason="extra `data` is not installed")
    pytest.importorskip("rosbags", reason="extra `bags` is not installed")
    root = tmp_path_factory.mktemp("recordings")
    sources = {
        "dsec": write_dsec(root / "DSEC", "zurich_city_00_a", take_scene(demo_seed(2), 0.25, 640, 480)),
        "mvsec": write_mvsec(root / "MVSEC", "outdoor_day1", take_scene(demo_seed(1), 0.3, 346, 260)),
    }
    options = {"dsec": ["--warp", "--storage", "mcap"], "mvsec": ["--storage", "sqlite3", "--events", "dvs"]}
    made = {name: root / f"{name}_bag" for name in sources}
    for name, source in sources.items():
        assert halsie(["bag", "build", name, str(source), str(made[name]), *options[name]]) == 0
    return made


@pytest.fixture(scope="session")
def bench(tmp_path_factory) -> Bench:
    return Bench(tmp_path_factory.mktemp("bench"))


@pytest.fixture(scope="session")
def scenarios(bench, bags) -> Scenarios:
    return Scenarios(bench, bags)


def launch_words(**arguments: object) -> list[str]:
    """perception.launch.py, both senses in one process, in a namespace, on the bags' topics."""
    given = {"namespace": NAMESPACE, "one_process": "true", **TOPICS, **arguments}
    file = REPOSITORY / "launch" / "perception.launch.py"
    return ["-c", LAUNCH, str(file), *(f"{name}:={value}" for name, value in given.items())]


def process_words(**arguments: object) -> list[str]:
    """What that launch file runs, without launch."""
    words = ["-m", "halsie_ros.nodes.perception", "--ros-args", "-r", f"__ns:=/{NAMESPACE}"]
    for sense in ("segmentation", "action"):
        words += ["--params-file", str(REPOSITORY / "config" / f"{sense}.yaml")]
    for topic, name in TOPICS.items():
        words += ["-r", f"segmentation:{topic}:={name}"]
    for name, value in arguments.items():
        words += ["-p", f"{name}:={value}"]
    return words


@pytest.fixture
def launch(bench, tmp_path, monkeypatch) -> Iterator[Callable[..., Process]]:
    """Launches one of our files with arguments, alone; what is temporary lies in `tmp_path / "tmp"`."""
    pytest.importorskip("launch_ros", reason="launch_ros is not installed (it comes with a ROS install)")
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    started: list[Process] = []

    def start(name: str, **arguments: object) -> Process:
        file = REPOSITORY / "launch" / f"{name}.launch.py"
        started.append(bench.start("-c", LAUNCH, str(file), *(f"{key}:={value}" for key, value in arguments.items())))
        return started[-1]

    yield start
    for process in started:
        if process.popen.poll() is None:
            os.killpg(process.popen.pid, signal.SIGKILL)
            process.popen.wait()


STARTERS = {"processes": process_words, "launch": launch_words}


@pytest.fixture(scope="session", params=list(STARTERS))
def start_words(request) -> Callable[..., list[str]]:
    """Makes the command line that starts the graph."""
    if request.param == "launch" and importlib.util.find_spec("launch_ros") is None:
        pytest.skip("launch_ros is not installed (it comes with a ROS install); the same runs as processes")
    return STARTERS[request.param]


@pytest.fixture(scope="session")
def graph(start_words, bench) -> Iterator[Process]:
    """The graph, running; the last test on it stops it."""
    process = bench.start(*start_words())
    yield process
    if process.popen.poll() is None:
        os.killpg(process.popen.pid, signal.SIGKILL)
        process.popen.wait()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests with real processes can lose a race on a crowded machine: marked, so that a second run is seen as one."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.flaky(reruns=2))
