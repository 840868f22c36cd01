"""The class names of Mapillary Vistas v2.0, in its own order."""

from __future__ import annotations

from ssl_bev.pseudo_labels.label_map import LabelMap

CLASS_NAMES = LabelMap.load('mapillary_v2').class_names
class_id = CLASS_NAMES.index
