"""Paint from the map: dividers, crossings and stop lines."""

from __future__ import annotations

import numpy as np
from shapely.affinity import affine_transform
from shapely.geometry import LineString, Polygon, box
from shapely.ops import substring

from .map_expansion import Area
from .map_layers import Divider, MapLayers
from .paint_canvas import WHITE, YELLOW, Paint, PaintCanvas
from .paint_style import LABEL_THRESHOLD, NEW, TownStyle, Wear, token_rng

CROSSWALK = Paint('Lane Marking - Crosswalk')
STOP_LINE = Paint('Lane Marking - Stop Line')
_PIECE = 3.0  # metres; solid lines are painted in pieces, so that wear can vary along them


def paint_line(
    canvas: PaintCanvas,
    points: np.ndarray,
    style: TownStyle,
    paint: Paint,
    wear: Wear = NEW,
    *,
    dash: tuple[float, float] | None = None,
    width: float | None = None,
) -> None:
    """Paint a solid line, or a dashed one of ``dash`` (paint, gap) metres, along ``points`` (N, 2)."""
    line = LineString(points)
    paint_length, gap = dash or (_PIECE, 0.0)
    for start in np.arange(0.0, line.length, paint_length + gap):
        stop = min(start + paint_length, line.length)
        strength = wear.at((start + stop) / 2)
        if strength <= 0 or stop - start < 0.05:
            continue
        piece = np.asarray(substring(line, start, stop).coords)
        canvas.stroke(piece, width or style.line_width, paint, strength, labelled=strength >= LABEL_THRESHOLD)


def offset_line(points: np.ndarray, distance: float) -> np.ndarray:
    """Shift a line (N, 2) to its left by ``distance`` metres; short loops may remain in sharp bends."""
    step = np.gradient(np.asarray(points, float), axis=0)
    normal = np.stack([-step[:, 1], step[:, 0]], 1) / np.maximum(np.linalg.norm(step, axis=1, keepdims=True), 1e-9)
    return points + distance * normal


def paint_dividers(canvas: PaintCanvas, layers: MapLayers, style: TownStyle, seed: int, *, worn: bool) -> None:
    """Paint lane dividers by their segment types, and road dividers by the custom of the town."""
    for divider in layers.dividers('lane_divider'):
        rng = token_rng(seed, 'lane_divider', divider.token)
        for points, kind in _runs(divider):
            wear = Wear.draw(rng, LineString(points).length) if worn else NEW
            _paint_lane_divider(canvas, points, kind, style, wear, rng)
    for divider in layers.dividers('road_divider'):
        rng = token_rng(seed, 'road_divider', divider.token)
        wear = Wear.draw(rng, LineString(divider.points).length) if worn else NEW
        kinds = {kind for kind in divider.kinds if kind}
        yellow = any('YELLOW' in kind for kind in kinds) or (not kinds and style.centre_is_yellow)
        double = any('DOUBLE' in kind for kind in kinds) if kinds else rng.random() < 0.55
        dash = (style.dash, style.gap) if not kinds and not double and rng.random() < 0.3 else None
        paint = style.line_paint(dashed=dash is not None, yellow=yellow)
        for offset in (-style.line_width, style.line_width) if double else (0.0,):
            paint_line(canvas, offset_line(divider.points, offset), style, paint, wear, dash=dash)


def _runs(divider: Divider) -> list[tuple[np.ndarray, str]]:
    """Split a divider where its segment type changes."""
    runs, start = [], 0
    for i in range(1, len(divider.kinds) + 1):
        if i == len(divider.kinds) or divider.kinds[i] != divider.kinds[start]:
            runs.append((divider.points[start : i + 1], divider.kinds[start]))
            start = i
    return runs


def _paint_lane_divider(
    canvas: PaintCanvas, points: np.ndarray, kind: str, style: TownStyle, wear: Wear, rng: np.random.Generator
) -> None:
    """Paint one run of a lane divider; NIL has no paint."""
    if kind == 'NIL' or LineString(points).length < 0.1:
        return
    yellow = 'YELLOW' in kind
    if 'ZIGZAG' in kind:
        paint = Paint('Lane Marking - Zigzag Line', YELLOW if yellow else WHITE)
        paint_line(canvas, _zigzag(points), style, paint, wear)
        return
    dashed = 'SOLID' not in kind
    # nuScenes calls the ordinary dashed line DOUBLE_DASHED_WHITE; a truly double one is rare
    double = rng.random() < 0.15 if dashed else 'DOUBLE' in kind
    for offset in (-style.line_width, style.line_width) if double else (0.0,):
        paint_line(
            canvas,
            offset_line(points, offset),
            style,
            style.line_paint(dashed=dashed, yellow=yellow),
            wear,
            dash=(style.dash, style.gap) if dashed else None,
        )


def _zigzag(points: np.ndarray) -> np.ndarray:
    line = LineString(points)
    at = np.arange(0, line.length, 1.0)
    if len(at) < 3:
        return points
    middle = np.array([line.interpolate(d).coords[0] for d in at])
    return (
        offset_line(middle, 0.25) * (np.arange(len(at)) % 2 == 0)[:, None]
        + offset_line(middle, -0.25) * (np.arange(len(at)) % 2 == 1)[:, None]
    )


def oriented_frame(shape: Polygon) -> tuple[np.ndarray, np.ndarray, np.ndarray, float, float]:
    """Return the centre, long and short unit axis, length and width of a polygon's tightest rectangle."""
    corners = np.asarray(shape.minimum_rotated_rectangle.exterior.coords)[:4]
    first, second = corners[1] - corners[0], corners[2] - corners[1]
    if np.linalg.norm(first) < np.linalg.norm(second):
        first, second = second, first
    length, width = float(np.linalg.norm(first)), float(np.linalg.norm(second))
    return corners.mean(0), first / max(length, 1e-9), second / max(width, 1e-9), length, width


def paint_crossings(canvas: PaintCanvas, layers: MapLayers, style: TownStyle, seed: int, *, worn: bool) -> None:
    """Paint pedestrian crossings; as in Mapillary Vistas, the gaps between stripes belong to the crossing."""
    for area in layers.areas('ped_crossing'):
        rng = token_rng(seed, 'ped_crossing', area.token)
        strength = (rng.uniform(0.75, 1.0) if rng.random() < 0.7 else rng.uniform(0.35, 0.6)) if worn else 1.0
        canvas.polygon(np.asarray(area.shape.exterior.coords), CROSSWALK, 0.0)
        kind = style.crossing if rng.random() < 0.8 else str(rng.choice(['zebra', 'ladder', 'lines']))
        for stripe in _crossing_stripes(area.shape, kind):
            if not worn or rng.random() > 0.04:
                level = strength * rng.uniform(0.8, 1.0) if worn else 1.0
                canvas.polygon(np.asarray(stripe.exterior.coords), CROSSWALK, level)


def _crossing_stripes(shape: Polygon, kind: str) -> list[Polygon]:
    """Return the painted parts of a crossing: stripes across its long axis, or lines along its long sides."""
    centre, along, across, length, width = oriented_frame(shape)
    frame = [along[0], across[0], along[1], across[1], centre[0], centre[1]]
    half, side = length / 2, width / 2
    stripes = []
    if kind in ('zebra', 'ladder'):
        period = 1.0
        count = max(int(length / period), 1)
        for i in range(count):
            x = -half + (i + 0.5) * length / count
            stripes.append(box(x - period / 4, -side, x + period / 4, side))
    if kind in ('ladder', 'lines'):
        thick = 0.25
        stripes += [box(-half, -side, half, -side + thick), box(-half, side - thick, half, side)]
    cut = [affine_transform(stripe, frame).intersection(shape) for stripe in stripes]
    return [p for c in cut for p in getattr(c, 'geoms', [c]) if p.geom_type == 'Polygon' and not p.is_empty]


def paint_stop_lines(canvas: PaintCanvas, layers: MapLayers, seed: int, *, worn: bool) -> None:
    """Paint a bar along the long axis of every stop line area; areas at crossings have none of their own."""
    for area in layers.areas('stop_line'):
        rng = token_rng(seed, 'stop_line', area.token)
        strength = rng.choice([0.25, 0.55, 0.9, 1.0]) if worn else 1.0
        if area.record.get('stop_line_type') in ('TURN_STOP', 'YIELD') and _is_deep(area):
            continue
        for bar in _stop_bar(area):
            canvas.polygon(bar, STOP_LINE, strength)


def _is_deep(area: Area) -> bool:
    return oriented_frame(area.shape)[4] > 1.0


def _stop_bar(area: Area) -> list[np.ndarray]:
    """Return the bar of a stop area: the area itself if it is narrow, else a strip along its middle."""
    if not _is_deep(area):
        return [np.asarray(area.shape.exterior.coords)]
    centre, along, _, length, _ = oriented_frame(area.shape)
    middle = LineString([centre - along * length / 2, centre + along * length / 2]).buffer(0.2, cap_style='flat')
    cut = middle.intersection(area.shape)
    return [np.asarray(p.exterior.coords) for p in getattr(cut, 'geoms', [cut]) if p.geom_type == 'Polygon']
