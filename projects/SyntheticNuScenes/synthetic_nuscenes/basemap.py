"""The basemap pictures that the devkit opens along with the tables."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from .map_expansion import MapGeometry

PIXELS_PER_METRE = 10


def draw_basemap(geometry: MapGeometry) -> np.ndarray:
    """Return the semantic prior (H, W) uint8, 255 where one can drive or walk; north is up, 10 pixels a metre."""
    width, height = (round(side * PIXELS_PER_METRE) for side in geometry.content['canvas_edge'])
    picture = np.zeros((height, width), np.uint8)
    for layer in ('drivable_area', 'walkway'):
        for polygon in geometry.polygons(layer):
            rings = [np.asarray(ring.coords) * PIXELS_PER_METRE for ring in (polygon.exterior, *polygon.interiors)]
            pixels = [np.column_stack([r[:, 0], height - r[:, 1]]).round().astype(np.int32) for r in rings]
            cv2.fillPoly(picture, pixels, 255)
    return picture


def write_basemaps(geometry: MapGeometry, maps: Path, semantic_prior: str, location: str) -> None:
    """Write the semantic prior under its published name, and a smaller picture as ``basemap/{location}.png``."""
    picture = draw_basemap(geometry)
    small = cv2.resize(picture, None, fx=0.2, fy=0.2, interpolation=cv2.INTER_AREA)
    (maps / 'basemap').mkdir(parents=True, exist_ok=True)
    for path, content in ((maps / f'{semantic_prior}.png', picture), (maps / 'basemap' / f'{location}.png', small)):
        if not cv2.imwrite(str(path), content, [cv2.IMWRITE_PNG_COMPRESSION, 3]):
            raise OSError(f'could not write {path}')
