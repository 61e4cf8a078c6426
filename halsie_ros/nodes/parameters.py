"""Node parameters, declared once: default, meaning, range, and whether they may change while the node runs."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterator, Sequence
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
        if wanted is float and type(value) is int:
            value = float(value)
        if wanted is list and value is not None and not isinstance(value, (str, bytes)) and hasattr(value, "__len__"):
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

    def descriptor(self) -> ParameterDescriptor:
        """What ROS tells about the parameter."""
        text = self.description + (f" One of: {', '.join(self.choices)}." if self.choices else "")
        # Dynamic typing, so that 100 will do for 100.0; convert() holds the type.
        message = ParameterDescriptor(description=text, read_only=self.read_only, dynamic_typing=True)
        if self.low is not None and self.high is not None:
            if isinstance(self.default, float):
                limits = FloatingPointRange(from_value=float(self.low), to_value=float(self.high))
                message.floating_point_range = [limits]
            else:
                message.integer_range = [IntegerRange(from_value=int(self.low), to_value=int(self.high))]
        return message


class Parameters:
    """The values of a node's parameters, checked when it starts and whenever one changes.

    Args:
        node: whose parameters they are.
        declared: what to declare.
        changed: called with the name of each parameter that was changed while the node runs.

    Raises:
        ParameterError: a value that cannot work, or a name that looks like a slip of the pen.
    """

    def __init__(self, node: Node, declared: Sequence[Parameter], changed: Callable[[str], None] | None = None) -> None:
        self._declared = {parameter.name: parameter for parameter in declared}
        self._values: dict[str, Any] = {}
        self._changed = changed
        given = {name: override.value for name, override in node._parameter_overrides.items()}
        for parameter in declared:
            # Checked before rclpy sees it: its own messages do not say what would be right.
            value = parameter.convert(given.get(parameter.name, parameter.default)) if parameter.name in given else None
            try:
                node.declare_parameter(parameter.name, _ros_value(parameter.default), parameter.descriptor())
            except ParameterException as error:
                raise ParameterError(f"parameter {parameter.name} cannot be declared: {error}") from error
            self._values[parameter.name] = parameter.default if value is None else value
        self._name_strangers(node, given)
        node.add_on_set_parameters_callback(self._check)
        node.add_post_set_parameters_callback(self._store)

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def _name_strangers(self, node: Node, given: dict[str, Any]) -> None:
        """Refuses a misspelt name; another node's name in a shared file is only mentioned."""
        for name in given:
            if node.has_parameter(name) or name.startswith("qos_overrides"):
                continue
            close = difflib.get_close_matches(name, self._declared, n=1, cutoff=0.7)
            if close:
                raise ParameterError(f"parameter {name} is not known to {node.get_name()}: did you mean {close[0]}?")
            node.get_logger().warning(f"parameter {name} is not known to {node.get_name()}: ignored")

    def _check(self, parameters: list[RosParameter]) -> SetParametersResult:
        try:
            for parameter in parameters:
                if parameter.name in self._declared:
                    self._declared[parameter.name].convert(parameter.value)
        except ParameterError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _store(self, parameters: list[RosParameter]) -> None:
        for parameter in parameters:
            if parameter.name in self._declared:
                self._values[parameter.name] = self._declared[parameter.name].convert(parameter.value)
                if self._changed:
                    self._changed(parameter.name)


def _ros_value(default: Any) -> Any:
    return [float(value) for value in default] if isinstance(default, list) else default
