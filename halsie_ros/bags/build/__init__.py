"""Bags from data sets: one module per kind with `add_arguments(parser)` and `build(args) -> summary`."""

KINDS = {
    "rpg": "a folder in the RPG text format (events.txt, images.txt, calib.txt)",
    "scene": "the simulated street",
}
