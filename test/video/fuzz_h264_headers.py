"""atheris target on the H.264 header reader: `python test/video/fuzz_h264_headers.py [CORPUS] -max_total_time=60`
(`pip install atheris`, Apache-2.0).

Anything but BitstreamError is a finding. pytest does not run it.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["halsie_ros.video"]):
    from halsie_ros.video.codecs.bits import BitstreamError
    from halsie_ros.video.codecs.h264.reader import H264Reader

_AVCC = b"\1\x42\0\x1e\xff\xe1"


def one_input(data: bytes) -> None:
    """Feeds one stream, cut into packets at 0xFE, to a reader."""
    try:
        reader = H264Reader(_AVCC + data[:64] if data[:1] == b"\1" else b"")
    except BitstreamError:
        return
    for packet in data.split(b"\xfe"):
        try:
            reader.read(packet)
        except BitstreamError:
            continue


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
