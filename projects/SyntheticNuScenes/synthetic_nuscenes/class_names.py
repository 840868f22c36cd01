"""The class names of Mapillary Vistas v2.0, in its own order, and lookups by name."""

from __future__ import annotations

CLASS_NAMES: tuple[str, ...] = (
    *(
        'Bird',
        'Ground Animal',
        'Ambiguous Barrier',
        'Concrete Block',
        'Curb',
        'Fence',
        'Guard Rail',
        'Barrier',
    ),
    *(
        'Road Median',
        'Road Side',
        'Lane Separator',
        'Temporary Barrier',
        'Wall',
        'Bike Lane',
        'Crosswalk - Plain',
    ),
    *(
        'Curb Cut',
        'Driveway',
        'Parking',
        'Parking Aisle',
        'Pedestrian Area',
        'Rail Track',
        'Road',
        'Road Shoulder',
    ),
    *('Service Lane', 'Sidewalk', 'Traffic Island', 'Bridge', 'Building', 'Garage', 'Tunnel', 'Person'),
    *('Person Group', 'Bicyclist', 'Motorcyclist', 'Other Rider', 'Lane Marking - Dashed Line'),
    *('Lane Marking - Straight Line', 'Lane Marking - Zigzag Line', 'Lane Marking - Ambiguous'),
    *('Lane Marking - Arrow (Left)', 'Lane Marking - Arrow (Other)', 'Lane Marking - Arrow (Right)'),
    *('Lane Marking - Arrow (Split Left or Straight)', 'Lane Marking - Arrow (Split Right or Straight)'),
    *('Lane Marking - Arrow (Straight)', 'Lane Marking - Crosswalk', 'Lane Marking - Give Way (Row)'),
    *(
        'Lane Marking - Give Way (Single)',
        'Lane Marking - Hatched (Chevron)',
        'Lane Marking - Hatched (Diagonal)',
    ),
    *('Lane Marking - Other', 'Lane Marking - Stop Line', 'Lane Marking - Symbol (Bicycle)'),
    *('Lane Marking - Symbol (Other)', 'Lane Marking - Text', 'Lane Marking (only) - Dashed Line'),
    *(
        'Lane Marking (only) - Crosswalk',
        'Lane Marking (only) - Other',
        'Lane Marking (only) - Test',
        'Mountain',
    ),
    *('Sand', 'Sky', 'Snow', 'Terrain', 'Vegetation', 'Water', 'Banner', 'Bench', 'Bike Rack', 'Catch Basin'),
    *(
        'CCTV Camera',
        'Fire Hydrant',
        'Junction Box',
        'Mailbox',
        'Manhole',
        'Parking Meter',
        'Phone Booth',
        'Pothole',
    ),
    *('Signage - Advertisement', 'Signage - Ambiguous', 'Signage - Back', 'Signage - Information'),
    *('Signage - Other', 'Signage - Store', 'Street Light', 'Pole', 'Pole Group', 'Traffic Sign Frame'),
    *('Utility Pole', 'Traffic Cone', 'Traffic Light - General (Single)', 'Traffic Light - Pedestrians'),
    *(
        'Traffic Light - General (Upright)',
        'Traffic Light - General (Horizontal)',
        'Traffic Light - Cyclists',
    ),
    *('Traffic Light - Other', 'Traffic Sign - Ambiguous', 'Traffic Sign (Back)'),
    *('Traffic Sign - Direction (Back)', 'Traffic Sign - Direction (Front)', 'Traffic Sign (Front)'),
    *(
        'Traffic Sign - Parking',
        'Traffic Sign - Temporary (Back)',
        'Traffic Sign - Temporary (Front)',
        'Trash Can',
    ),
    *(
        'Bicycle',
        'Boat',
        'Bus',
        'Car',
        'Caravan',
        'Motorcycle',
        'On Rails',
        'Other Vehicle',
        'Trailer',
        'Truck',
    ),
    *(
        'Vehicle Group',
        'Wheeled Slow',
        'Water Valve',
        'Car Mount',
        'Dynamic',
        'Ego Vehicle',
        'Ground',
        'Static',
    ),
    'Unlabeled',
)

_ID_OF = {name: index for index, name in enumerate(CLASS_NAMES)}


def class_id(name: str) -> int:
    """Return the id of a class.

    Raises:
        ValueError: If Mapillary Vistas v2.0 has no class of that name.
    """
    if name not in _ID_OF:
        raise ValueError(f'class name must be one of Mapillary Vistas v2.0, got {name!r}')
    return _ID_OF[name]


MARKING_IDS: tuple[int, ...] = tuple(i for i, name in enumerate(CLASS_NAMES) if name.startswith('Lane Marking'))
