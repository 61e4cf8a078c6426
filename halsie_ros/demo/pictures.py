"""The demo's pictures: a contact sheet and a short looping animation."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from halsie_ros.files import write_atomically
from halsie_ros.inference.cards import ModelCard
from halsie_ros.segmentation.overlay import colorize, overlay

GAP, TITLE, MARGIN = 6, 22, 14
BACKGROUND, INK = (24, 26, 30), (226, 228, 232)
PANEL_WIDTH = 346


@dataclass(frozen=True)
class Shot:
    """What is shown of one moment.

    Attributes:
        t_s: seconds since the first frame.
        frame: ``(H, W, 3)`` or ``(H, W)``.
        events: drawn, ``(He, We, 3)``.
        mask: ``(H, W)``, None where none came.
        truth: ``(H, W)``, None where the bag has none.
        note: one short line, e.g. latency and score.
    """

    t_s: float
    frame: np.ndarray
    events: np.ndarray
    mask: np.ndarray | None
    truth: np.ndarray | None
    note: str = ""

    def panels(self, palette: np.ndarray) -> list[tuple[str, np.ndarray]]:
        """Title and picture of each panel."""
        frame = np.repeat(self.frame[..., None], 3, 2) if self.frame.ndim == 2 else self.frame
        missing = np.full_like(frame, 60)
        found = [
            ("frame", frame),
            ("events", self.events),
            ("mask", missing if self.mask is None else colorize(self.mask, palette)),
            ("overlay", missing if self.mask is None else overlay(frame, self.mask, palette, 0.55)),
        ]
        if self.truth is not None:
            found.append(("truth", colorize(self.truth, palette)))
        return found


def contact_sheet(shots: Sequence[Shot], card: ModelCard, title: str, path: Path) -> None:
    """A row per shot, a column per panel, and the legend; PNG."""
    font, small = ImageFont.load_default(16), ImageFont.load_default(13)
    palette = np.asarray(card.palette, np.uint8)
    rows = [shot.panels(palette) for shot in shots]
    height = max(_scaled_height(picture) for row in rows for _, picture in row)
    columns = len(rows[0])
    width = 2 * MARGIN + columns * PANEL_WIDTH + (columns - 1) * GAP
    per_line = max(1, (width - 2 * MARGIN) // 150)
    legend_lines = math.ceil(len(card.classes) / per_line)
    total = MARGIN + 30 + TITLE + len(rows) * (height + GAP + TITLE) + legend_lines * 24 + MARGIN
    sheet = Image.new("RGB", (width, total), BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    draw.text((MARGIN, MARGIN), title, INK, font)
    y = MARGIN + 30
    for column, (name, _) in enumerate(rows[0]):
        draw.text((MARGIN + column * (PANEL_WIDTH + GAP), y), name, INK, font)
    y += TITLE
    for shot, row in zip(shots, rows):
        for column, (_, picture) in enumerate(row):
            sheet.paste(_scaled(picture), (MARGIN + column * (PANEL_WIDTH + GAP), y))
        draw.text((MARGIN, y + height + 2), f"{shot.t_s:.2f} s   {shot.note}", INK, small)
        y += height + TITLE + GAP
    for index, name in enumerate(card.classes):
        x = MARGIN + (index % per_line) * 150
        line = y + (index // per_line) * 24
        draw.rectangle((x, line + 3, x + 15, line + 18), tuple(palette[index].tolist()), (120, 120, 120))
        draw.text((x + 22, line + 2), name, INK, small)
    save_png(sheet, path)


def animation(shots: Sequence[Shot], card: ModelCard, path: Path, frame_ms: int) -> None:
    """Frame, events, mask and overlay in two by two, looping; GIF."""
    palette = np.asarray(card.palette, np.uint8)
    pictures = []
    for shot in shots:
        panels = [_scaled(picture) for _, picture in shot.panels(palette)[:4]]
        width, height = panels[0].width, max(panel.height for panel in panels)
        canvas = Image.new("RGB", (2 * width + GAP, 2 * height + GAP), BACKGROUND)
        for index, panel in enumerate(panels):
            canvas.paste(panel, ((index % 2) * (width + GAP), (index // 2) * (height + GAP)))
        pictures.append(canvas.quantize(128, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE))
    file = io.BytesIO()
    pictures[0].save(file, "GIF", save_all=True, append_images=pictures[1:], duration=frame_ms, loop=0, optimize=False)
    write_atomically(path, file.getvalue())


def _scaled_height(picture: np.ndarray) -> int:
    height, width = picture.shape[:2]
    return round(PANEL_WIDTH * int(height) / int(width))


def _scaled(picture: np.ndarray) -> Image.Image:
    size = (PANEL_WIDTH, _scaled_height(picture))
    image = Image.fromarray(np.ascontiguousarray(picture))
    if image.size == size:
        return image
    return image.resize(size, Image.Resampling.BOX if image.width > size[0] else Image.Resampling.NEAREST)


def save_png(image: Image.Image, path: Path) -> None:
    """Writes a picture whole or not at all."""
    file = io.BytesIO()
    image.save(file, "PNG")
    write_atomically(path, file.getvalue())
