"""Draws the rooms of `halsie_ros` and who uses whom, read from the imports: `python -m tools.draw_architecture [FILE]`.

A room is a folder (or a file at the top) of the package; an arrow goes from a room to one that it imports. Rooms stand
on floors: each one floor above the highest room that it uses. Arrows that follow from others are left out.
"""

from __future__ import annotations

import argparse
import ast
from collections.abc import Mapping
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "halsie_ros"
PICTURE = PACKAGE.parent / "docs" / "architecture.svg"
QUIET = {"errors", "lazy", "moved", "__init__", "kernels"}
"""Rooms without arrows in the picture: nearly all use them."""

WIDTH, HEIGHT, GAP, FLOOR = 132, 40, 28, 104
COLOURS = {"nodes": "#f6d6c8", "cli": "#f6d6c8", "segmentation": "#d3e5f7", "action": "#d3e5f7"}


def uses(package: Path = PACKAGE) -> dict[str, dict[str, list[str]]]:
    """Room -> used room -> the files that import from it, by path within the package."""
    found: dict[str, dict[str, list[str]]] = {}
    for file in sorted(package.rglob("*.py")):
        relative = file.relative_to(package)
        room = relative.parts[0].removesuffix(".py")
        row = found.setdefault(room, {})
        for module in imports(file, package.name):
            other = module.split(".")[1] if "." in module else "__init__"
            if other not in (room, "__init__", "__version__"):
                files = row.setdefault(other, [])
                if str(relative) not in files:
                    files.append(str(relative))
    return found


def imports(file: Path, package: str) -> list[str]:
    """Modules of `package` that a file imports anywhere, as dotted names."""
    modules = []
    for node in ast.walk(ast.parse(file.read_text(), str(file))):
        if isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules += [f"{node.module}.{a.name}" for a in node.names] if node.module == package else [node.module]
    return [module for module in modules if module.split(".")[0] == package]


def floors(graph: Mapping[str, set[str]]) -> dict[str, int]:
    """The floor of each room: 0 where it uses none, else one above the highest that it uses.

    Raises:
        ValueError: rooms use each other in a circle; the message names it.
    """
    known: dict[str, int] = {}

    def place(room: str, above: tuple[str, ...]) -> int:
        if room in above:
            raise ValueError(" -> ".join([*above[above.index(room) :], room]))
        if room not in known:
            known[room] = max((place(other, (*above, room)) + 1 for other in sorted(graph.get(room, ()))), default=0)
        return known[room]

    for room in sorted(graph):
        place(room, ())
    return known


def reduced(graph: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """The graph without arrows that follow from longer ways."""

    def reach(room: str) -> set[str]:
        return set().union(*({other} | reach(other) for other in graph.get(room, ()))) if graph.get(room) else set()

    return {
        room: {other for other in others if not any(other in reach(third) for third in others - {other})}
        for room, others in graph.items()
    }


def svg(graph: Mapping[str, set[str]]) -> str:
    """The picture: a box per room, the lowest floor at the bottom, light and dark backgrounds alike."""
    level = floors(graph)
    rows: dict[int, list[str]] = {}
    for room in sorted(level):
        rows.setdefault(level[room], []).append(room)
    widest = max(len(row) for row in rows.values())
    width, height = widest * (WIDTH + GAP) + GAP, (max(rows) + 1) * FLOOR + GAP
    centre: dict[str, tuple[float, float]] = {}
    for floor, row in rows.items():
        first = (width - len(row) * (WIDTH + GAP) + GAP) / 2
        for number, room in enumerate(row):
            centre[room] = (first + number * (WIDTH + GAP) + WIDTH / 2, height - GAP - HEIGHT / 2 - floor * FLOOR)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="14">',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="#667"/></marker></defs>',
        f'<rect width="{width}" height="{height}" fill="#fcfcfa"/>',
    ]
    for room, others in sorted(reduced(graph).items()):
        for other in sorted(others):
            (x0, y0), (x1, y1) = centre[room], centre[other]
            start, end = y0 + HEIGHT / 2, y1 - HEIGHT / 2
            bend = (end - start) / 2
            curve = f"{x0:.0f} {start + bend:.0f} {x1:.0f} {end - bend:.0f} {x1:.0f} {end:.0f}"
            parts.append(
                f'<path d="M{x0:.0f} {start:.0f}C{curve}" fill="none" stroke="#667" stroke-width="1.2" '
                'opacity="0.75" marker-end="url(#tip)"/>'
            )
    for room, (x, y) in sorted(centre.items()):
        fill = COLOURS.get(room, "#eceae4")
        parts.append(
            f'<rect x="{x - WIDTH / 2:.0f}" y="{y - HEIGHT / 2:.0f}" width="{WIDTH}" height="{HEIGHT}" rx="6" '
            f'fill="{fill}" stroke="#889"/>'
            f'<text x="{x:.0f}" y="{y + 5:.0f}" text-anchor="middle" fill="#223">{room}</text>'
        )
    return "\n".join([*parts, "</svg>"]) + "\n"


def picture() -> str:
    """The picture of the package as it is."""
    return svg({room: set(row) - QUIET for room, row in uses().items() if room not in QUIET})


def main() -> int:
    """Writes the picture."""
    parser = argparse.ArgumentParser(prog="python -m tools.draw_architecture", description="Draw the package's rooms.")
    parser.add_argument("file", nargs="?", type=Path, default=PICTURE)
    args = parser.parse_args()
    args.file.write_text(picture())
    print(args.file)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
