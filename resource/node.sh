#!/bin/sh
# Starts the node that this file is named after, with the Python of its own install, else the first on PATH.
name=$(basename "$0")
# cd goes up by name, so that a link to this folder still leads to the install that has the link.
python="$(cd "$(dirname "$0")/../.." && pwd -L)/bin/python3"
[ -x "$python" ] || python="${VIRTUAL_ENV:+$VIRTUAL_ENV/bin/}python3"
exec "$python" -m "halsie_ros.nodes.$name" "$@"
