"""Node parameters, declared once: default, meaning, range, and whether they may change while the node runs."""

from __future__ import annotations

import contextlib
import difflib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.exceptions import ParameterException
from rclpy.node import Node
from rclpy.parameter import Parameter as RosParameter

from halsie_ros.errors import ParameterError


@dataclass(frozen=True)
class Parameter:
    """One parameter of a node; its type is its default's (int, float, bool, str, or a list of float).

    Attributes:
        name: as in the parameter file.
        default: the value when none is given.
        description: one line for `ros2 param describe`, the launch files and the documentation.
        low: smallest allowed number.
        high: largest allowed number.
        choices: the allowed strings, if they are few.
        lengths: the allowed lengths of a list.
        read_only: refused at run time.
    """

    name: str
    default: Any
    description: str
    low: float | None = None
    high: float | None = None
    choices: Sequence[str] = ()
    lengths: Sequence[int] = ()
    read_only: bool = False

    def convert(self, value: Any) -> Any:
        """The value in the parameter's type (an int will do for a float); raises ParameterError in one line."""
        wanted = type(self.default)
        if (
            wanted is list and value is None
        ):  # what rcl makes of `[]` in a parameter file, as `ros2 param dump` writes it
            value = []
        if wanted is float and type(value) is int:
            value = float(value)
        if wanted is list and not isinstance(value, (str, bytes)) and hasattr(value, "__len__"):
            return self._convert_list(value)
        if type(value) is not wanted:
            raise self._error(value, f"a value of type {wanted.__name__}")
        if wanted is float and not math.isfinite(value):
            raise self._error(value, "a finite number")
        if self.choices and value not in self.choices:
            raise self._error(repr(value), "one of " + ", ".join(self.choices))
        if (self.low is not None and value < self.low) or (self.high is not None and value > self.high):
            raise self._error(value, f"a value from {self.low:g} to {self.high:g}" if self.high else f"{self.low:g} up")
        return value

    def _convert_list(self, values: Any) -> list[float]:
        if len(values) not in self.lengths or not all(isinstance(v, (int, float)) and math.isfinite(v) for v in values):
            raise self._error(list(values), " or ".join(map(str, self.lengths)) + " finite numbers")
        return [float(value) for value in values]

    def _error(self, value: Any, remedy: str) -> ParameterError:
        return ParameterError(f"parameter {self.name} is {value}: give {remedy}")

    @property
    def ros_type(self) -> RosParameter.Type:
        """The type that ROS holds the parameter to."""
        # Not asked of the default: rclpy takes an empty list for one of bytes.
        types = RosParameter.Type
        return types.DOUBLE_ARRAY if isinstance(self.default, list) else types.from_parameter_value(self.default)

    def descriptor(self) -> ParameterDescriptor:
        """What ROS tells about the parameter."""
        text = self.description + (f" One of: {', '.join(self.choices)}." if self.choices else "")
        message = ParameterDescriptor(description=text, read_only=self.read_only)
        if self.low is not None and self.high is not None:
            if isinstance(self.default, float):
                limits = FloatingPointRange(from_value=float(self.low), to_value=float(self.high))
                message.floating_point_range = [limits]
            else:
                message.integer_range = [IntegerRange(from_value=int(self.low), to_value=int(self.high))]
        return message


class Parameters(Mapping[str, Any]):
    """The values of a node's parameters, checked when it starts and whenever some change.

    Args:
        node: whose parameters they are.
        declared: what to declare.
        changed: called after each change, when all values of it are in place.
        check: refuses values that contradict each other by a ParameterError; called with all values as they would be.

    Raises:
        ParameterError: a value that cannot work.
    """

    def __init__(
        self,
        node: Node,
        declared: Sequence[Parameter],
        changed: Callable[[], None] = lambda: None,
        check: Callable[[Mapping[str, Any]], None] = lambda values: None,
    ) -> None:
        self._declared = {parameter.name: parameter for parameter in declared}
        self._check_together = check
        self._changed = changed
        given = {name: override.value for name, override in node._parameter_overrides.items()}
        # Checked before rclpy sees them: its own messages do not say what would be right.
        self._values = {
            parameter.name: parameter.convert(given[parameter.name]) if parameter.name in given else parameter.default
            for parameter in declared
        }
        check(self._values)
        for parameter in declared:
            _declare(node, parameter, self._values[parameter.name])
        self._name_strangers(node, given)
        node.add_pre_set_parameters_callback(self._in_our_types)
        node.add_on_set_parameters_callback(self._check)
        node.add_post_set_parameters_callback(self._store)

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def _name_strangers(self, node: Node, given: Mapping[str, Any]) -> None:
        """Mentions what is not ours: a file's wildcards reach every node, so only a likely misspelling is a warning."""
        strangers = []
        for name in given:
            if node.has_parameter(name) or name.startswith("qos_overrides"):
                continue
            close = difflib.get_close_matches(name, self._declared, n=1, cutoff=0.7)
            if close:
                node.get_logger().warning(
                    f"parameter {name} is not known to {node.get_name()} and ignored: did you mean {close[0]}?"
                )
            else:
                strangers.append(name)
        if strangers:
            names = ", ".join(sorted(strangers))
            node.get_logger().info(f"parameters that {node.get_name()} does not know are ignored: {names}")

    def _in_our_types(self, parameters: list[RosParameter]) -> list[RosParameter]:
        """The same, whole numbers turned into floats where the parameter is one, so that it stays one."""
        converted = []
        for parameter in parameters:
            ours = self._declared.get(parameter.name)
            if ours is not None:
                with contextlib.suppress(ParameterError):  # refused, with the reason, by `_check` or by rclpy
                    parameter = RosParameter(parameter.name, ours.ros_type, ours.convert(parameter.value))
            converted.append(parameter)
        return converted

    def _check(self, parameters: list[RosParameter]) -> SetParametersResult:
        try:
            self._check_together(self._values | self._ours(parameters))
        except ParameterError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _store(self, parameters: list[RosParameter]) -> None:
        ours = self._ours(parameters)
        self._values |= ours
        if ours:
            self._changed()

    def _ours(self, parameters: list[RosParameter]) -> dict[str, Any]:
        return {p.name: self._declared[p.name].convert(p.value) for p in parameters if p.name in self._declared}


def _declare(node: Node, parameter: Parameter, value: Any) -> None:
    """Declares with a fixed type; by way of a writable descriptor, for an empty list cannot be a default in rclpy."""
    descriptor = parameter.descriptor()
    try:
        if isinstance(value, list):
            writable = parameter.descriptor()
            writable.read_only = False
            node.declare_parameter(parameter.name, parameter.ros_type, writable, ignore_override=True)
            node.set_parameters([RosParameter(parameter.name, parameter.ros_type, value)])
            descriptor.type = parameter.ros_type.value
            node.set_descriptor(parameter.name, descriptor)
        else:
            node.declare_parameter(parameter.name, value, descriptor, ignore_override=True)
    except ParameterException as error:
        raise ParameterError(f"parameter {parameter.name} cannot be declared: {error}") from error
