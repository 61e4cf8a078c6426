"""Plots as SVG text: no library, no script, sharp at any width."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

WIDTH, HEIGHT = 480, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 14, 26, 38
_INK = "#1f6f8b"


def _ticks(low: float, high: float) -> list[float]:
    """Four to eight round values from `low` to `high`."""
    span = high - low
    step = 10.0 ** np.floor(np.log10(span / 4))
    step *= next(factor for factor in (1, 2, 5, 10) if span / (step * factor) <= 6)
    first = int(np.ceil(low / step - 1e-9))
    return [float(k * step) for k in range(first, int(np.floor(high / step + 1e-9)) + 1)]


def _limits(values: np.ndarray) -> tuple[float, float]:
    """Smallest and largest value with a little air, never equal."""
    low, high = float(values.min()), float(values.max())
    air = 0.04 * (high - low) or abs(high) * 0.1 or 1.0
    return low - air, high + air


class _Axes:
    """A frame with axes; `x()` and `y()` turn values into places."""

    def __init__(self, title: str, x_label: str, y_label: str, x: tuple[float, float], y: tuple[float, float]):
        self._x, self._y = x, y
        self.parts = [
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">',
            f'<text x="{_LEFT}" y="16" class="t">{escape(title)}</text>',
            f'<text x="{(_LEFT + WIDTH) / 2:.0f}" y="{HEIGHT - 6}" class="a m">{escape(x_label)}</text>',
            f'<text transform="translate(12 {(HEIGHT - _BOTTOM + _TOP) / 2:.0f}) rotate(-90)" class="a m">'
            f"{escape(y_label)}</text>",
        ]
        for value in _ticks(*y):
            place = self.y(value)
            self.parts.append(
                f'<path d="M{_LEFT} {place:.1f}H{WIDTH - _RIGHT}" class="g"/>'
                f'<text x="{_LEFT - 5}" y="{place + 4:.1f}" class="a e">{value:.6g}</text>'
            )

    def x_ticks(self) -> None:
        """Numbers along the x axis."""
        for value in _ticks(*self._x):
            self.parts.append(
                f'<text x="{self.x(value):.1f}" y="{HEIGHT - _BOTTOM + 15}" class="a m">{value:.6g}</text>'
            )

    def x(self, value: float) -> float:
        low, high = self._x
        return _LEFT + (value - low) / (high - low) * (WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        low, high = self._y
        return HEIGHT - _BOTTOM - (value - low) / (high - low) * (HEIGHT - _TOP - _BOTTOM)

    def done(self) -> str:
        return "".join([*self.parts, "</svg>"])


def line(title: str, x_label: str, y_label: str, x: Sequence[float], y: Sequence[float | None]) -> str:
    """A line through points; None interrupts it. Long series are thinned to their local extremes."""
    known = [(a, b) for a, b in zip(x, y, strict=True) if b is not None]
    if not known:
        return nothing(title)
    xs, ys = (np.array(column, float) for column in zip(*known, strict=True))
    axes = _Axes(title, x_label, y_label, _limits(xs), _limits(ys))
    axes.x_ticks()
    if len(xs) > 2000:
        groups = np.array_split(np.arange(len(xs)), 1000)
        kept = sorted({i for g in groups for i in (g[np.argmin(ys[g])], g[np.argmax(ys[g])])})
        xs, ys = xs[kept], ys[kept]
    points = " ".join(f"{axes.x(a):.1f},{axes.y(b):.1f}" for a, b in zip(xs, ys, strict=True))
    axes.parts.append(f'<polyline points="{points}" class="l"/>')
    return axes.done()


def scatter(title: str, x_label: str, y_label: str, x: Sequence[float], y: Sequence[float]) -> str:
    """A cloud of at most 2000 points, evenly taken."""
    if not len(x):
        return nothing(title)
    chosen = np.linspace(0, len(x) - 1, min(len(x), 2000)).astype(int)
    xs, ys = np.asarray(x, float)[chosen], np.asarray(y, float)[chosen]
    axes = _Axes(title, x_label, y_label, _limits(xs), _limits(ys))
    axes.x_ticks()
    axes.parts.extend(
        f'<circle cx="{axes.x(a):.1f}" cy="{axes.y(b):.1f}" r="2" class="d"/>' for a, b in zip(xs, ys, strict=True)
    )
    return axes.done()


def histogram(title: str, x_label: str, values: Sequence[float], bins: int = 40) -> str:
    """How often values occur; the largest 0.5 % are gathered in the last bar."""
    if not len(values):
        return nothing(title)
    data = np.asarray(values, float)
    low, high = _limits(np.array([data.min(), np.quantile(data, 0.995)]))
    counts, edges = np.histogram(np.minimum(data, high), bins=bins, range=(low, high))
    axes = _Axes(title, x_label, "count", (low, high), (0, float(counts.max()) * 1.05))
    axes.x_ticks()
    for count, start, stop in zip(counts, edges[:-1], edges[1:], strict=True):
        if count:
            place, base = axes.y(count), axes.y(0)
            axes.parts.append(
                f'<rect x="{axes.x(start):.1f}" y="{place:.1f}" width="{axes.x(stop) - axes.x(start) - 0.5:.1f}" '
                f'height="{base - place:.1f}" fill="{_INK}"><title>{count}</title></rect>'
            )
    return axes.done()


def bars(title: str, names: Sequence[str], values: Sequence[float | None], colours: Sequence[str] | None = None) -> str:
    """Horizontal bars with their values; a value of None is a dash."""
    if not names:
        return nothing(title)
    row = 19
    left = min(260, 30 + round(6.3 * max(len(name) for name in names)))
    height = _TOP + row * len(names) + 6
    largest = max([value for value in values if value is not None], default=1.0) or 1.0
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}">',
        f'<text x="8" y="16" class="t">{escape(title)}</text>',
    ]
    for place, (name, value) in enumerate(zip(names, values, strict=True)):
        y = _TOP + row * place
        length = 0.0 if value is None else value / largest * (WIDTH - left - 60)
        fill = colours[place] if colours else _INK
        text = "–" if value is None else f"{value:.4g}"
        parts.append(
            f'<text x="{left - 6}" y="{y + 13}" class="a e">{escape(name)}</text>'
            f'<rect x="{left}" y="{y + 2}" width="{length:.1f}" height="{row - 5}" fill="{fill}" class="b"/>'
            f'<text x="{left + length + 5:.1f}" y="{y + 13}" class="a">{text}</text>'
        )
    return "".join([*parts, "</svg>"])


def heatmap(title: str, names: Sequence[str], shares: np.ndarray) -> str:
    """Rows of shares 0 to 1 (label) by columns (mask), each cell with its share in percent."""
    cell, left, top = 32, 104, 108
    size = cell * len(names)
    parts = [
        f'<svg viewBox="0 0 {left + size + 44} {top + size + 8}" role="img" aria-label="{escape(title)}">',
        f'<text x="8" y="16" class="t">{escape(title)}</text>',
    ]
    for i, name in enumerate(names):
        parts.append(f'<text x="{left - 6}" y="{top + cell * i + 20}" class="a e">{escape(name)}</text>')
        x = left + cell * i + 18
        parts.append(f'<text transform="translate({x} {top - 6}) rotate(-60)" class="a">{escape(name)}</text>')
        for j in range(len(names)):
            share = float(shares[i, j])
            if not np.isfinite(share):
                continue
            x, y = left + cell * j, top + cell * i
            ink = "#fff" if share > 0.5 else "#222"
            text = f"{100 * share:.0f}" if share >= 0.005 else ""
            parts.append(
                f'<rect x="{x}" y="{y}" width="{cell - 1}" height="{cell - 1}" fill="{_INK}" '
                f'fill-opacity="{0.06 + 0.94 * share:.3f}"><title>{escape(name)} as {escape(names[j])}: '
                f'{share:.4f}</title></rect><text x="{x + cell / 2}" y="{y + 20}" class="a m" style="fill:{ink}">'
                f"{text}</text>"
            )
    return "".join([*parts, "</svg>"])


def nothing(title: str) -> str:
    """In place of a plot without values."""
    return (
        f'<svg viewBox="0 0 {WIDTH} 60" role="img" aria-label="{escape(title)}"><text x="8" y="16" class="t">'
        f'{escape(title)}</text><text x="8" y="40" class="a">no values</text></svg>'
    )
