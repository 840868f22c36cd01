"""Paint that is not in the map: edge lines, arrows, words, hatching."""

from __future__ import annotations

import cv2
import numpy as np
from shapely.geometry import LineString, box
from shapely.ops import substring

from .map_layers import LaneEnd, MapLayers
from .paint import paint_line
from .paint_canvas import WHITE, YELLOW, Paint, PaintCanvas
from .paint_style import TownStyle, Wear, token_rng

_WORDS = ('SLOW', 'BUS', 'STOP', 'AHEAD', 'TAXI', 'KEEP')
# Arrows point along +y, x to the right, in metres, 1 wide and about 4 long before scaling.
_SHAFT = [(-0.1, 0.0), (0.1, 0.0), (0.1, 2.6), (-0.1, 2.6)]
_HEAD = [(-0.35, 2.6), (0.35, 2.6), (0.0, 4.0)]
_SIDE = [(-0.08, 1.0), (-0.08, 1.7), (0.5, 2.2), (0.5, 2.7), (1.0, 1.9), (0.5, 1.1), (0.5, 1.6)]
_TURN = [
    (-0.1, 0.0),
    (0.1, 0.0),
    (0.1, 2.2),
    (0.55, 2.7),
    (0.55, 2.35),
    (1.0, 3.1),
    (0.55, 3.9),
    (0.55, 3.5),
    (-0.1, 2.7),
]
_ARROWS = {
    'Lane Marking - Arrow (Straight)': ((1, (_SHAFT, _HEAD)),),
    'Lane Marking - Arrow (Right)': ((1, (_TURN,)),),
    'Lane Marking - Arrow (Left)': ((-1, (_TURN,)),),
    'Lane Marking - Arrow (Split Right or Straight)': ((1, (_SHAFT, _HEAD, _SIDE)),),
    'Lane Marking - Arrow (Split Left or Straight)': ((-1, (_SHAFT, _HEAD, _SIDE)),),
}


def paint_edge_lines(canvas: PaintCanvas, layers: MapLayers, style: TownStyle, seed: int) -> None:
    """Paint lines along stretches of the drivable border."""
    window = box(*layers.bounds)
    for ring in layers.borders:
        line = LineString(ring)
        rng = token_rng(seed, 'edge', *np.round(ring[0], 1))
        start = float(rng.uniform(0, 20))
        while start < line.length - 4:
            stop = min(start + rng.uniform(25, 90), line.length)
            if rng.random() < 0.6:
                stretch = substring(line, start, stop)
                # Drawn even where it isn't painted, so that the rest does not depend on the bounds
                choices = np.random.default_rng(rng.integers(1 << 31))
                if stretch.intersects(window):
                    _paint_edge(canvas, np.asarray(stretch.coords), style, choices)
            start = stop + rng.uniform(3, 25)


def _paint_edge(canvas: PaintCanvas, points: np.ndarray, style: TownStyle, rng: np.random.Generator) -> None:
    length = LineString(points).length
    points = np.asarray(LineString(points).segmentize(2.0).coords)
    wear = Wear.draw(rng, length)
    inset = rng.uniform(0.25, 0.5)
    offsets = (inset, inset + 2.2 * style.line_width) if style.edge_is_yellow and rng.random() < 0.5 else (inset,)
    for offset in offsets:
        shifted = LineString(points).offset_curve(offset, join_style='mitre')
        for part in getattr(shifted, 'geoms', [shifted]):
            if not part.is_empty:
                paint = style.line_paint(dashed=False, yellow=style.edge_is_yellow)
                paint_line(canvas, np.asarray(part.coords), style, paint, wear, width=style.line_width * 0.9)
    if rng.random() < 0.12 and length > 12:
        _paint_hatching(canvas, points, inset, rng)


def _paint_hatching(canvas: PaintCanvas, points: np.ndarray, inset: float, rng: np.random.Generator) -> None:
    """Fill a strip of some metres beside the border with slanted bars."""
    paint = Paint('Lane Marking - Hatched (Diagonal)', YELLOW if rng.random() < 0.4 else WHITE)
    line = LineString(points)
    start = rng.uniform(0, line.length - 10)
    strength = rng.uniform(0.4, 0.95)
    width = rng.uniform(1.2, 2.2)
    for at in np.arange(start, start + rng.uniform(6, 10), 1.1):
        here, ahead = (np.array(line.interpolate(d).coords[0]) for d in (at, at + 0.2))
        forward = (ahead - here) / max(float(np.linalg.norm(ahead - here)), 1e-6)
        left = np.array([-forward[1], forward[0]])
        canvas.stroke(
            np.stack([here + left * inset, here + left * (inset + width) + forward * width]),
            0.2,
            paint,
            strength,
        )


def paint_lane_symbols(canvas: PaintCanvas, layers: MapLayers, seed: int) -> None:
    """Paint arrows before the ends of lanes, and sometimes a word."""
    for end in layers.lane_ends():
        rng = token_rng(seed, 'symbol', end.token)
        if end.length < 14 or end.width < 2.2:
            continue
        strength = rng.choice([0.3, 0.6, 0.85, 1.0])
        position = end.position - end.direction * rng.uniform(8, 11)
        if rng.random() < 0.6:
            name = str(rng.choice(list(_ARROWS), p=[0.4, 0.15, 0.15, 0.15, 0.15]))
            _paint_arrow(canvas, position, end.direction, name, strength)
        if end.length > 30 and rng.random() < 0.2:
            _paint_word(canvas, end, position - end.direction * rng.uniform(6, 9), str(rng.choice(_WORDS)), strength)


def _paint_arrow(canvas: PaintCanvas, position: np.ndarray, forward: np.ndarray, name: str, strength: float) -> None:
    right = np.array([forward[1], -forward[0]])
    for mirror, shapes in _ARROWS[name]:
        for shape in shapes:
            xy = np.array(shape)
            points = position + mirror * xy[:, :1] * right * 1.1 + xy[:, 1:] * forward
            canvas.polygon(points, Paint(name), float(strength))


def _paint_word(canvas: PaintCanvas, end: LaneEnd, position: np.ndarray, word: str, strength: float) -> None:
    """Paint a word that a driver reads when travelling along the lane."""
    (width, height), base = cv2.getTextSize(word, cv2.FONT_HERSHEY_SIMPLEX, 1.6, 7)
    glyph = np.zeros((height + base + 8, width + 12), np.uint8)
    cv2.putText(glyph, word, (6, height + 4), cv2.FONT_HERSHEY_SIMPLEX, 1.6, 255, 7, cv2.LINE_AA)
    forward, right = end.direction, np.array([end.direction[1], -end.direction[0]])
    breadth, depth = min(end.width * 0.7, 2.4), 2.4
    corner = position - right * breadth / 2 + forward * depth
    canvas.stamp(glyph, corner, right * breadth, -forward * depth, Paint('Lane Marking - Text'), float(strength))
