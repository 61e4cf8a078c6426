"""One self-contained HTML file with the figures and plots of a segmentation result; opens without a network."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np

from halsie_ros.classes import ClassSet
from halsie_ros.errors import DatasetError
from halsie_ros.evaluation import plots

Picture = tuple[float, str, "np.ndarray | None", np.ndarray, np.ndarray]
"""Quality, name, frame (None where there was none), mask and label of a frame worth looking at."""

_STYLE = """
:root{color-scheme:light;--ink:#20242a;--soft:#667;--line:#dde2e8;--accent:#1f6f8b}
*{box-sizing:border-box}
body{margin:0;font:15px/1.45 system-ui,sans-serif;color:var(--ink);background:#f5f7f9}
main{max-width:1180px;margin:0 auto;padding:20px}
h1{font-size:1.35rem;margin:0 0 4px}
h2{font-size:1.05rem;margin:26px 0 8px}
p.s{color:var(--soft);margin:0 0 16px}
.c{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,150px),1fr));gap:10px}
.k{background:#fff;border:1px solid var(--line);border-radius:8px;padding:10px 12px}
.k b{display:block;font-size:1.3rem}
.k span{color:var(--soft);font-size:.8rem}
.p{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,420px),1fr));gap:12px}
figure{margin:0;background:#fff;border:1px solid var(--line);border-radius:8px;padding:10px;overflow:hidden}
svg{width:100%;height:auto;display:block}
svg .t{font:600 13px system-ui,sans-serif}
svg .a{font:11px system-ui,sans-serif;fill:#556}
svg .m{text-anchor:middle}
svg .e{text-anchor:end}
svg .g{stroke:#e8ecf0;fill:none}
svg .l{fill:none;stroke:var(--accent);stroke-width:1.5}
svg .d{fill:var(--accent);fill-opacity:.45}
svg .b{stroke:#8886;stroke-width:.5}
.w{display:grid;grid-template-columns:repeat(3,1fr);gap:4px}
.w img{width:100%;height:auto;display:block;border-radius:3px}
figcaption{font-size:.8rem;color:var(--soft);margin-top:6px;overflow-wrap:anywhere}
table{border-collapse:collapse;width:100%;background:#fff;font-size:.85rem}
td{border-bottom:1px solid var(--line);padding:4px 8px;overflow-wrap:anywhere}
td:first-child{color:var(--soft);width:30%}
"""


def html(result: dict[str, Any], pictures: Sequence[Picture], classes: ClassSet) -> str:
    """The report; the whole result lies in it as JSON, in the element `result`.

    Args:
        result: of `Tally.result`, perhaps with `latency_ms` (a list) and `drops` (cause to count).
        pictures: the worst frames.
        classes: what mask and label mean.
    """
    title = f"{result['model']} on {result['dataset']} {result['split']}"
    embedded = json.dumps(result).replace("</", "<\\/")
    body = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="s">{result["frames"]} labelled frames · inputs {escape(str(result["inputs"]))} · '
        f"degrade {escape(str(result['degrade']))} · {escape(str(result.get('protocol', '')))}</p>",
        f'<div class="c">{"".join(_tile(*tile) for tile in _tiles(result))}</div>',
        "<h2>Plots</h2>",
        f'<div class="p">{"".join(f"<figure>{plot}</figure>" for plot in _plots(result, classes))}</div>',
    ]
    if pictures:
        body.append("<h2>Worst frames: picture, mask, label</h2>")
        body.append(f'<div class="p">{"".join(_worst(picture, classes) for picture in pictures)}</div>')
    body.append("<h2>Hardware, versions, settings</h2>")
    body.append(_table({**result["environment"], **_settings(result)}))
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<style>{_STYLE}</style></head><body><main>{''.join(body)}</main>"
        f'<script type="application/json" id="result">{embedded}</script></body></html>\n'
    )


def _tiles(result: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Key in the JSON, text, caption of the figures at the top."""
    low, high = result["miou_interval"]
    tiles = [
        ("miou", f"{result['miou']:.4f}", f"mIoU, 95 %: {low:.4f} to {high:.4f}"),
        ("accuracy", f"{result['accuracy']:.4f}", "pixel accuracy"),
        ("frames", str(result["frames"]), "labelled frames"),
    ]
    shown = (
        ("ms_per_step", "{:.2f} ms", "per step, median", 1),
        ("latency_p50_ms", "{:.2f} ms", "latency, median", 1),
        ("latency_p95_ms", "{:.2f} ms", "latency, 95th percentile", 1),
        ("answered", "{:.4f}", "share of the frames answered", 1),
        ("energy_mj", "{:.3f} mJ", "per window, by operation count", 1),
        ("spike_rate", "{:.4f}", "spikes per neuron and step", 1),
        ("macs", "{:.4f} G", "multiply-accumulates", 1e9),
        ("accumulates", "{:.4f} G", "accumulates", 1e9),
        ("parameters", "{:.3f} M", "parameters", 1e6),
    )
    for key, pattern, caption, unit in shown:
        if result.get(key) is not None:
            tiles.append((key, pattern.format(result[key] / unit), caption))
    return tiles


def _tile(key: str, text: str, caption: str) -> str:
    return f'<div class="k"><b data-key="{key}">{escape(text)}</b><span>{escape(caption)}</span></div>'


def _plots(result: dict[str, Any], classes: ClassSet) -> list[str]:
    frames, steps = result["per_frame"], result["steps"]
    start_us = min([item["t_us"] for item in (*frames, *steps)], default=0)
    recorded = result["dataset"] == "bag"
    seconds = [(frame["t_us"] - start_us) * 1e-6 if recorded else number for number, frame in enumerate(frames)]
    x_label = "time (s)" if recorded else "labelled frame"
    counts = np.array(result["confusion"], float)
    with np.errstate(invalid="ignore"):
        shares = counts / counts.sum(1, keepdims=True)
    names = result["classes"]
    colours = [f"rgb({r},{g},{b})" for r, g, b in classes.palette.tolist()]
    made = [
        plots.line("mIoU over time", x_label, "mIoU of the frame", seconds, [frame["miou"] for frame in frames]),
        plots.bars("IoU per class", names, [result["per_class"][name] for name in names], colours),
        plots.heatmap("Confusion: rows are labels, columns masks, percent", names, shares),
    ]
    latency = result.get("latency_ms")
    times = latency if latency is not None else [{"t_us": step["t_us"], "ms": step["ms"]} for step in steps]
    what = "latency" if latency is not None else "time of a step"
    order = [(entry["t_us"] - start_us) * 1e-6 if recorded else number for number, entry in enumerate(times)]
    made.append(plots.histogram(f"Histogram of {what}", "ms", [entry["ms"] for entry in times]))
    made.append(
        plots.line(
            f"{what.capitalize()} over time",
            "time (s)" if recorded else "step",
            "ms",
            order,
            [entry["ms"] for entry in times],
        )
    )
    rated = [step for step in steps if step["window_us"] > 0]
    rates = [step["events"] / step["window_us"] for step in rated]
    made.append(
        plots.scatter(
            f"Event rate against {what if latency is None else 'latency'}",
            "Mevents/s",
            "ms",
            rates,
            [step["ms"] for step in rated],
        )
    )
    made.append(
        plots.line(
            "Energy of each window", "step", "mJ", list(range(len(steps))), [step.get("energy_mj") for step in steps]
        )
    )
    drops = result.get("drops")
    if drops is not None:
        made.append(plots.bars("Drops by cause", list(drops) or ["none"], list(drops.values()) or [0]))
    return made


def _worst(picture: Picture, classes: ClassSet) -> str:
    quality, name, frame, mask, label = picture
    images = [
        np.full((*mask.shape, 3), 40, np.uint8) if frame is None else frame,
        _coloured(mask, classes),
        _coloured(label, classes),
    ]
    shown = "".join(f'<img alt="" src="{_data_uri(image)}">' for image in images)
    note = "" if frame is not None else ", no frame came"
    caption = f"{escape(name)}: mIoU {quality:.4f}{note}"
    return f'<figure><div class="w">{shown}</div><figcaption>{caption}</figcaption></figure>'


def _coloured(mask: np.ndarray, classes: ClassSet) -> np.ndarray:
    palette = np.full((256, 3), 255, np.uint8)
    palette[: len(classes)] = classes.palette
    result: np.ndarray = palette[mask]
    return result


def _data_uri(image: np.ndarray) -> str:
    """A picture at most 480 pixels wide, as PNG in a data URI."""
    try:
        from PIL import Image
    except ImportError:
        raise DatasetError(
            "the report's pictures need Pillow: `pip install halsie_ros[data]` brings it, or leave --report out"
        ) from None
    step = -(-image.shape[1] // 480)
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image[::step, ::step])).save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _settings(result: dict[str, Any]) -> dict[str, Any]:
    keys = ("model", "dataset", "split", "inputs", "degrade", "protocol", "mapped", "spike_rates", "energy_mj_346x260")
    return {key: result[key] for key in keys if result.get(key) is not None}


def _table(values: dict[str, Any]) -> str:
    rows = "".join(f"<tr><td>{escape(key)}</td><td>{escape(str(value))}</td></tr>" for key, value in values.items())
    return f"<table>{rows}</table>"
