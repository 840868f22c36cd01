"""Scenes of nuScenes whose data are known to be wrong."""

from __future__ import annotations

# Boston. The devkit's test that ego poses lie on drivable ground skips them.
OFF_ROAD_SCENES = ('scene-0499', 'scene-0501', 'scene-0502', 'scene-0515', 'scene-0517')
