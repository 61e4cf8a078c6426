#!/bin/bash
# Sources ROS, the virtual environment and the workspace, then runs what it is given.
set -e
source /opt/ros/jazzy/setup.bash
source /opt/halsie/bin/activate
source /opt/ws/setup.bash
exec "$@"
