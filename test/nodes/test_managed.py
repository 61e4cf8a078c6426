"""The lifecycle as a manager drives it, on a node whose parts fail when they are told to."""

import pytest
import rclpy
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from std_msgs.msg import String

from halsie_ros.errors import HalsieError
from halsie_ros.nodes.managed import ManagedNode


class Output:
    def __init__(self, node):
        self.node = node
        self.publisher = node.create_lifecycle_publisher(String, "out", 1)
        node.fail("output")

    def publish_labels(self):
        self.publisher.publish(String(data="labels"))

    def stop(self):
        self.node.destroy_lifecycle_publisher(self.publisher)


class Stream:
    topics = ("/in",)

    def __init__(self, node):
        self.node = node
        self.subscription = node.create_subscription(String, "in", lambda message: None, 1)
        self.timer = node.create_timer(1.0, lambda: None)
        node.fail("stream")

    def retime(self):
        self.node.fail("retime")

    def stop(self):
        self.node.destroy_subscription(self.subscription)
        self.node.destroy_timer(self.timer)

    def statuses(self):
        return []


class Eye(ManagedNode):
    """Fails in the part `failing` with `error`."""

    failing = ""
    error: Exception = HalsieError("model x cannot be read: get it again")

    def __init__(self):
        self.loaded = False
        super().__init__("eye", ())

    def fail(self, part):
        if part == self.failing:
            raise self.error

    def load(self):
        self.loaded = True
        self.fail("model")
        return Output(self)

    def unload(self):
        self.loaded = False

    def start_stream(self):
        return Stream(self)


@pytest.fixture
def manager(monkeypatch):
    """Drives a node as nav2's lifecycle manager does: by its services, one transition after the other."""
    rclpy.init(args=["--ros-args", "-p", "autostart:=false"])
    made = Manager()
    yield made
    made.executor.shutdown()
    for node in (made.eye, made.node):
        node.destroy_node()
    rclpy.shutdown()


class Manager:
    def __init__(self):
        self.eye = Eye()
        self.node = Node("manager", start_parameter_services=False)
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.eye)
        self.executor.add_node(self.node)
        self.change = self.node.create_client(ChangeState, "/eye/change_state")
        self.state = self.node.create_client(GetState, "/eye/get_state")

    def call(self, client, request):
        client.wait_for_service(5.0)
        future = client.call_async(request)
        self.executor.spin_until_future_complete(future, 5.0)
        assert future.done()
        return future.result()

    def do(self, *labels):
        """The transitions' success, and the state at the end."""
        done = []
        for label in labels:
            number = getattr(Transition, f"TRANSITION_{label.upper()}")
            done.append(self.call(self.change, ChangeState.Request(transition=Transition(id=number))).success)
        return done, self.call(self.state, GetState.Request()).current_state.label

    def endpoints(self):
        return sum(1 for kind in ("publishers", "subscriptions", "timers") for _ in getattr(self.eye, kind))


def test_fifty_cycles_leave_as_much_as_one(manager):
    fresh = manager.endpoints()
    assert manager.do("configure", "activate", "deactivate") == ([True] * 3, "inactive")
    configured = manager.endpoints()
    for _ in range(49):
        assert manager.do("activate", "deactivate") == ([True] * 2, "inactive")
    assert manager.endpoints() == configured
    assert manager.do("cleanup") == ([True], "unconfigured")
    assert manager.endpoints() == fresh
    assert not manager.eye.loaded


@pytest.mark.parametrize("part", ["model", "output"])
def test_a_failed_configure_says_why_and_can_be_tried_again_without_a_leak(manager, capfd, part):
    fresh = manager.endpoints()
    manager.eye.failing = part
    for _ in range(3):
        assert manager.do("configure") == ([False], "unconfigured")
        assert manager.endpoints() == fresh
        assert not manager.eye.loaded
    assert capfd.readouterr().err.count("cannot configure: model x cannot be read: get it again") == 3
    manager.eye.failing = ""
    assert manager.do("configure", "activate") == ([True, True], "active")


def test_a_failed_activation_says_why_and_can_be_tried_again_without_a_leak(manager, capfd):
    assert manager.do("configure") == ([True], "inactive")
    configured = manager.endpoints()
    manager.eye.failing = "stream"
    for _ in range(3):
        assert manager.do("activate") == ([False], "inactive")
        assert manager.endpoints() == configured
    assert capfd.readouterr().err.count("cannot activate: model x cannot be read: get it again") == 3
    manager.eye.failing = ""
    assert manager.do("activate") == ([True], "active")


@pytest.mark.parametrize("part", ["model", "output", "stream"])
def test_an_unforeseen_error_is_shown_in_full_and_error_processing_recovers(manager, capfd, part):
    fresh = manager.endpoints()
    manager.eye.failing, manager.eye.error = part, KeyError("a bug")
    done, state = manager.do("configure", *(["activate"] if part == "stream" else []))
    assert (done[-1], state) == (False, "unconfigured")
    assert manager.endpoints() == fresh and not manager.eye.loaded
    log = capfd.readouterr().err
    assert "KeyError: 'a bug'" in log and "Traceback" in log
    manager.eye.failing = ""
    assert manager.do("configure", "activate") == ([True, True], "active")


def test_a_transition_that_the_state_does_not_know_is_refused_and_the_node_lives_on(manager):
    assert manager.do("activate", "cleanup", "configure") == ([False, False, True], "inactive")
    assert manager.do("configure", "deactivate", "activate") == ([False, False, True], "active")
    assert manager.do("active_shutdown", "configure") == ([True, False], "finalized")
