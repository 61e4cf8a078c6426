"""ROS nodes: subscriptions, publishers, parameters and clocks; the work itself is done elsewhere in the package."""

import sys

if sys.argv[:1] == ["-m"]:  # `python -m halsie_ros.nodes.NAME`: Python looks for the module, and has not run it yet
    from halsie_ros.nodes.start import guard

    guard()
