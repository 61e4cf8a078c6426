"""The exceptions of the package: one base class, one subclass per part.

Messages name the thing, its value and what to do about it, on one line: the command line and the
nodes print them as they are, without a traceback.
"""


class HalsieError(Exception):
    """Base class of every error that a user of the package can cause or mend."""


class CodecError(HalsieError):
    """An event message or file does not hold what its encoding promises."""


class BagError(HalsieError):
    """A rosbag is missing, incomplete, or of another kind than expected."""


class DatasetError(HalsieError):
    """A data set's folder lacks a file, a key or a label, or names an unknown split."""


class ModelError(HalsieError):
    """A model card or graph is missing, damaged, or made for something else."""


class ParameterError(HalsieError):
    """A parameter of a node, a pipeline or a command has a value that cannot work."""


class GeometryError(HalsieError):
    """Camera and event camera cannot be brought into one image frame as asked."""


class VideoError(HalsieError):
    """An encoded video stream or file cannot be opened or decoded."""
