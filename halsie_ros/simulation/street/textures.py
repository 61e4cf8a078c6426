"""Procedural textures: tileable noise, and the atlas of surfaces that a street is made of.

A texture is 128 x 128 texels of four bytes: linear (not gamma encoded) red, green, blue, and a fourth that says
where a cutout is (`raster.CUTOUT`) or how much of a texel is window (`raster.FACADE`). Row 0 is the lower edge.
Every street draws its own atlas from its seed, so no two streets share a brick.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

SIZE = 128
LEVELS = 8
OFFSETS = np.cumsum([0] + [(SIZE >> level) ** 2 for level in range(LEVELS - 1)]).astype(np.int32)
"""Start of each mip level in an atlas row."""

_V, _U = (np.mgrid[0:SIZE, 0:SIZE] + 0.5) / SIZE

Texture = tuple[np.ndarray, np.ndarray]
"""Colour ``(128, 128, 3)`` and fourth channel ``(128, 128)``, floats 0 to 1."""


def noise(random: np.random.Generator, exponent: float, shape: tuple[int, int] = (SIZE, SIZE)) -> np.ndarray:
    """Tileable noise whose amplitude falls with ``frequency ** -exponent``; mean 0, deviation 1."""
    white = np.fft.rfft2(random.standard_normal(shape))
    fy, fx = np.fft.fftfreq(shape[0])[:, None] * shape[0], np.fft.rfftfreq(shape[1])[None] * shape[1]
    radius = np.hypot(fx, fy)
    radius[0, 0] = np.inf
    result = np.fft.irfft2(white * radius**-exponent, s=shape)
    found: np.ndarray = (result - result.mean()) / result.std()
    return found


def _solid(value: np.ndarray, mask: np.ndarray | float = 1.0) -> Texture:
    """A grey texture."""
    return np.repeat(value[..., None], 3, axis=2), np.broadcast_to(mask, (SIZE, SIZE))


def asphalt(random: np.random.Generator) -> Texture:
    """Grain, stains and a few cracks."""
    value = 0.75 + 0.07 * noise(random, 0.3) + 0.05 * noise(random, 1.6)
    cracks = np.abs(noise(random, 1.7)) < 0.018
    return _solid(value - 0.2 * cracks * (noise(random, 2.0) > 0.4))


def slabs(random: np.random.Generator) -> Texture:
    """Paving slabs in rows."""
    across, along = int(random.integers(3, 7)), int(random.integers(3, 7))
    line = np.floor(_V * along).astype(int)
    shift = 0.5 * (line % 2) if random.random() < 0.6 else 0.0
    column = np.floor(_U * across + shift).astype(int) % across
    tone = 1 + 0.06 * random.standard_normal((along, across))[line, column]
    joint = (np.abs((_U * across + shift) % 1 - 0.5) > 0.46) | (np.abs((_V * along) % 1 - 0.5) > 0.46)
    return _solid(0.75 * tone + 0.04 * noise(random, 0.5) - 0.22 * joint)


def grass(random: np.random.Generator) -> Texture:
    """Tufts, drier and greener patches."""
    value = 0.6 + 0.16 * noise(random, 0.5) + 0.1 * noise(random, 1.5)
    dry = np.clip(0.5 + 0.3 * noise(random, 1.8), 0, 1)
    return np.stack([value * (0.55 + 0.35 * dry), value, value * (0.3 + 0.1 * dry)], 2), np.ones((SIZE, SIZE))


def bricks(random: np.random.Generator) -> Texture:
    """Courses of bricks with mortar."""
    line = np.floor(_V * 16).astype(int)
    column = np.floor(_U * 8 + 0.5 * (line % 2)).astype(int) % 8
    tone = 1 + 0.12 * random.standard_normal((16, 8))[line, column]
    mortar = ((_U * 8 + 0.5 * (line % 2)) % 1 < 0.07) | ((_V * 16) % 1 < 0.13)
    return _solid(np.where(mortar, 0.85, 0.68 * tone) + 0.04 * noise(random, 0.4))


def stones(random: np.random.Generator) -> Texture:
    """A wall of irregular stones (cells of the nearest of scattered points)."""
    points = random.random((40, 2))
    reach = np.abs(np.stack([_U, _V], -1)[:, :, None] - points)
    reach = np.minimum(reach, 1 - reach)
    distance = np.sort(np.hypot(reach[..., 0], reach[..., 1] * 1.6), axis=2)
    cell = np.argmin(np.hypot(reach[..., 0], reach[..., 1] * 1.6), axis=2)
    tone = 0.7 + 0.12 * random.standard_normal(40)[cell] + 0.06 * noise(random, 0.7)
    return _solid(np.where(distance[..., 1] - distance[..., 0] < 0.022, 0.38, tone))


def concrete(random: np.random.Generator) -> Texture:
    """Cast panels with stains that run down."""
    streaks = np.repeat(noise(random, 1.0, (1, SIZE)), SIZE, 0) * (0.3 + 0.7 * _V)
    joint = (_V % 1 < 0.02) | (_U < 0.015)
    return _solid(0.78 + 0.05 * noise(random, 0.8) + 0.06 * streaks - 0.25 * joint)


def plaster(random: np.random.Generator) -> Texture:
    """Painted render, slightly blotched."""
    return _solid(0.88 + 0.04 * noise(random, 1.3) + 0.03 * noise(random, 0.3))


def roof(random: np.random.Generator) -> Texture:
    """Rows of tiles."""
    value = 0.7 + 0.18 * ((_V * 12) % 1 - 0.5) - 0.1 * (((_U * 16) % 1) < 0.1) + 0.08 * noise(random, 0.6)
    return _solid(value)


def metal(random: np.random.Generator) -> Texture:
    """Smooth, slightly soiled."""
    return _solid(0.9 + 0.05 * noise(random, 1.2))


def bark(random: np.random.Generator) -> Texture:
    """Vertical furrows."""
    furrows = np.repeat(noise(random, 0.8, (16, SIZE)), SIZE // 16, 0)
    return _solid(np.clip(0.65 + 0.16 * furrows + 0.1 * noise(random, 0.6), 0.1, 1))


def facade(random: np.random.Generator) -> Texture:
    """One window with its frame, sill and wall; the fourth channel is the glass."""
    base = [plaster, bricks, concrete, plaster, slabs][random.integers(5)](random)[0]
    width, height = random.uniform(0.34, 0.78), random.uniform(0.4, 0.72)
    sill = random.uniform(0.18, 0.3)
    u, v = np.abs(_U - 0.5) / (width / 2), (_V - sill) / height
    if random.random() < 0.25:  # an arch
        inside = (u < 1) & (v > 0) & (v + 0.25 * u**2 < 1)
    else:
        inside = (u < 1) & (v > 0) & (v < 1)
    panes, rows = int(random.integers(1, 4)), int(random.integers(1, 3))
    bars = (np.abs((u * panes / 2 + 0.5 * (panes % 2)) % 1 - 0.5) > 0.43) | (np.abs((v * rows) % 1 - 0.5) > 0.46)
    glass = inside & ~bars
    frame = inside & bars
    around = (np.abs(_U - 0.5) < width / 2 + 0.04) & (v > -0.07) & (v < 1.07) & ~inside
    tone = random.uniform(0.35, 1.0)
    colour = np.where(frame[..., None], tone, base)
    colour = np.where(
        (around & (random.random() < 0.7))[..., None], np.clip(base * random.uniform(0.6, 1.2), 0, 1), colour
    )
    colour = np.where(((np.abs(_U - 0.5) < width / 2 + 0.06) & (v < 0) & (v > -0.09))[..., None], 0.8, colour)
    if random.random() < 0.4:  # a cornice between storeys
        colour = colour * np.where(_V > 0.955, random.uniform(0.6, 1.15), 1)[..., None]
    curtain = 0.10 + 0.10 * (_V - sill) / height + 0.02 * noise(random, 1.5)
    colour = np.where(glass[..., None], curtain[..., None] * np.array([0.8, 0.95, 1.1]), colour)
    return colour, glass.astype(float)


def shop(random: np.random.Generator) -> Texture:
    """A ground floor: large panes or a gate, a door, a sign board above."""
    wall = [plaster, bricks, concrete, stones][random.integers(4)](random)[0]
    door = (_U > 0.72) & (_U < 0.94) & (_V < 0.72)
    pane = (_U > 0.06) & (_U < 0.66) & (_V > 0.14) & (_V < 0.74)
    bars = np.abs((_U - 0.06) / 0.6 * random.integers(2, 5) % 1 - 0.5) > 0.46
    colour = np.where(door[..., None], random.uniform(0.1, 0.6, 3), wall)
    board = (_V > 0.78) & (_V < 0.95)
    colour = np.where(board[..., None], random.uniform(0.05, 0.9, 3), colour)
    strokes = np.repeat(noise(random, 0.4, (1, SIZE)), SIZE, 0) > 0
    letters = board & (np.abs(_V - 0.865) < 0.045) & strokes
    colour = np.where(letters[..., None], random.uniform(0.6, 1.0), colour)
    goods = np.clip(0.14 + 0.08 * noise(random, 0.9), 0.02, 0.6)
    glass = pane & ~bars
    return np.where(glass[..., None], goods[..., None] * np.array([0.9, 1.0, 1.05]), colour), glass.astype(float)


def leaves(random: np.random.Generator) -> Texture:
    """Dense leaves without gaps: hedges."""
    value = np.clip(0.55 + 0.2 * noise(random, 0.4) + 0.16 * noise(random, 1.2), 0.08, 1)
    return np.stack([0.62 * value, value, 0.35 * value], 2), np.ones((SIZE, SIZE))


def crown(random: np.random.Generator) -> Texture:
    """A cluster of leaves with a ragged edge and holes."""
    colour, _ = leaves(random)
    angle = np.arctan2(_V - 0.5, _U - 0.5)
    edge = sum(
        random.uniform(0.0, 0.16 / order) * np.sin(order * angle + random.uniform(0, 2 * np.pi))
        for order in range(1, 9)
    )
    field = 0.36 + edge - np.hypot(_U - 0.5, _V - 0.5) + 0.05 * noise(random, 1.0) + 0.035 * noise(random, 0.3)
    shade = 0.55 + 0.6 * _V
    border = np.clip(4 * (0.5 - np.maximum(np.abs(_U - 0.5), np.abs(_V - 0.5))) / 0.1, 0, 1) > 0.4
    return colour * shade[..., None], ((field > 0) & border).astype(float)


def conifer(random: np.random.Generator) -> Texture:
    """A cone of drooping branches."""
    colour, _ = leaves(random)
    tiers = random.integers(6, 11)
    width = 0.46 * (1 - _V) * (0.72 + 0.28 * ((1 - _V) * tiers % 1)) + 0.025 * noise(random, 0.5)
    return colour * np.array([0.7, 0.85, 0.9]), ((np.abs(_U - 0.5) < width) & (_V < 0.985)).astype(float)


def pickets(random: np.random.Generator) -> Texture:
    """A fence of boards or bars with two rails."""
    number = int(random.integers(6, 14))
    share = random.uniform(0.3, 0.75)
    upright = np.abs((_U * number) % 1 - 0.5) < share / 2
    tip = _V + 0.16 * np.abs((_U * number) % 1 - 0.5) < 0.95
    rails = (np.abs(_V - 0.2) < 0.035) | (np.abs(_V - 0.78) < 0.035)
    tone = 0.8 + 0.1 * random.standard_normal(number)[np.floor(_U * number).astype(int)] + 0.05 * noise(random, 0.8)
    return _solid(tone - 0.12 * (rails & ~upright), ((upright & tip) | rails).astype(float))


def rails(random: np.random.Generator) -> Texture:
    """A guard rail: posts and horizontal beams."""
    beams = np.zeros((SIZE, SIZE), bool)
    for height in np.linspace(0.3, 0.9, int(random.integers(2, 4))):
        beams |= np.abs(_V - height) < 0.05
    posts = np.abs((_U * 2) % 1 - 0.5) < 0.05
    return _solid(0.8 + 0.06 * noise(random, 1.0), (beams | (posts & (_V < 0.95))).astype(float))


def wheel(random: np.random.Generator) -> Texture:
    """Tyre and rim."""
    radius, angle = np.hypot(_U - 0.5, _V - 0.5), np.arctan2(_V - 0.5, _U - 0.5)
    spokes = np.cos(angle * int(random.integers(4, 9))) > -0.3
    value = np.where(radius > 0.32, 0.03, np.where(spokes, 0.55, 0.08))
    return _solid(value, (radius < 0.5).astype(float))


def limb(random: np.random.Generator) -> Texture:
    """Cloth with folds and round ends."""
    ends = np.minimum(_V, 1 - _V) / 0.14
    width = np.where(ends < 1, 0.5 * np.sqrt(np.clip(1 - (1 - ends) ** 2, 0, 1)), 0.5)
    folds = 0.85 + 0.08 * noise(random, 0.9) + 0.05 * np.sin(_V * 40 + 4 * noise(random, 2.0))
    return _solid(folds, (np.abs(_U - 0.5) <= width).astype(float))


def disc(random: np.random.Generator) -> Texture:
    """A head, seen from anywhere."""
    return _solid(0.9 + 0.04 * noise(random, 1.0), (np.hypot(_U - 0.5, _V - 0.5) < 0.49).astype(float))


def sign(random: np.random.Generator) -> Texture:
    """A traffic sign: disc, triangle, square, rhombus or octagon with a border and a mark."""
    shape = random.integers(5)
    x, y = (_U - 0.5) * 2, (_V - 0.5) * 2
    rim = [
        np.hypot(x, y),
        np.maximum(-y * 1.15 + 0.1, np.abs(x) * 1.0 + y * 0.55 + 0.36),
        np.maximum(np.abs(x), np.abs(y)),
        np.abs(x) + np.abs(y),
        np.maximum(np.maximum(np.abs(x), np.abs(y)), (np.abs(x) + np.abs(y)) * 0.72),
    ][shape]
    white, red, blue, yellow, black = (
        np.array(c) for c in ((0.9, 0.9, 0.88), (0.7, 0.03, 0.03), (0.02, 0.12, 0.55), (0.9, 0.65, 0.02), (0.02,) * 3)
    )
    field, border, mark = [
        [(white, red, black), (blue, white, white), (red, white, white)],
        [(white, red, black), (yellow, black, black)],
        [(blue, white, white), (white, black, red)],
        [(yellow, white, black), (yellow, black, black)],
        [(red, white, white)],
    ][shape][random.integers([3, 2, 2, 2, 1][shape])]
    drawn = (noise(random, 1.3) > 0.35) & (rim < 0.55)
    colour = np.where((rim > 0.78)[..., None], border, field)
    return np.where(drawn[..., None], mark, colour), (rim < 0.98).astype(float)


def lights(random: np.random.Generator) -> Texture:
    """A traffic light's face: three lamps of which one shines."""
    burning = int(random.integers(3))
    colour = np.full((SIZE, SIZE, 3), 0.04)
    shine = np.zeros((SIZE, SIZE))
    for place, hue in enumerate(((0.05, 0.8, 0.25), (1.0, 0.6, 0.05), (1.0, 0.06, 0.04))):
        lamp = np.hypot((_U - 0.5) * 0.5, _V - (place + 0.5) / 3) < 0.12
        colour[lamp] = np.array(hue) * (1.0 if place == burning else 0.12)
        shine[lamp] = place == burning
    return colour, shine


_KINDS: tuple[tuple[str, Callable[[np.random.Generator], Texture], int], ...] = (
    ("asphalt", asphalt, 2),
    ("slabs", slabs, 2),
    ("grass", grass, 1),
    ("bricks", bricks, 1),
    ("stones", stones, 1),
    ("concrete", concrete, 1),
    ("plaster", plaster, 1),
    ("roof", roof, 1),
    ("metal", metal, 1),
    ("bark", bark, 1),
    ("facade", facade, 8),
    ("shop", shop, 4),
    ("leaves", leaves, 2),
    ("crown", crown, 6),
    ("conifer", conifer, 2),
    ("pickets", pickets, 2),
    ("rails", rails, 1),
    ("wheel", wheel, 2),
    ("limb", limb, 2),
    ("disc", disc, 1),
    ("sign", sign, 8),
    ("lights", lights, 3),
    ("clouds", lambda random: _solid(np.clip(0.5 + 0.2 * noise(random, 1.5), 0, 1)), 1),
    ("stains", lambda random: _solid(np.clip(0.5 + 0.2 * noise(random, 1.2), 0, 1)), 1),
)
PLACES: dict[str, range] = {}
"""Where the variants of each kind lie in an atlas."""
for _name, _, _number in _KINDS:
    _start = sum(len(places) for places in PLACES.values())
    PLACES[_name] = range(_start, _start + _number)


def _with_levels(texture: Texture) -> np.ndarray:
    """The texture and its mip levels, one after another: ``(texels,) uint32``, red in the lowest byte."""
    image = np.concatenate([np.clip(texture[0], 0, 1), texture[1][..., None]], axis=2)
    parts = []
    for _ in range(LEVELS):
        parts.append(image.reshape(-1, 4))
        side = image.shape[0] // 2
        if side:
            image = image.reshape(side, 2, side, 2, 4).mean(axis=(1, 3))
    return np.round(np.concatenate(parts) * 255).astype(np.uint8).view("<u4")[:, 0].astype(np.uint32)


def make_atlas(seed: int) -> np.ndarray:
    """All textures of a street: ``(textures, texels) uint32``, see ``PLACES`` and ``OFFSETS``."""
    random = np.random.default_rng([seed, 1])
    return np.stack([_with_levels(make(random)) for _, make, number in _KINDS for _ in range(number)])
