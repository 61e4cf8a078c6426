"""Bags from data sets: one module per kind with `add_arguments(parser)` and `build(args) -> summary`."""

KINDS = {
    "dsec": "one DSEC sequence (h5 events, png frames, labels where they are)",
    "mvsec": "one MVSEC sequence (hdf5), or MVSEC's own ROS 1 bag",
    "ddd17": "one recording of DDD17 in the ESS release",
    "camvid": "a stretch of CamVid with simulated events",
    "rpg": "a folder in the RPG text format (events.txt, images.txt, calib.txt)",
    "scene": "the simulated street",
}
