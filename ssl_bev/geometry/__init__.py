from .bev_area import check_area, cut_area
from .bev_grid import BEVGrid
from .cell_points import cell_points
from .constants import constant
from .pillars import points_over_road
from .projection import (
    ground_homography,
    ground_lift,
    pixel_grid,
    pixel_rays,
    pixels_to_ground,
    project_points,
)
from .reprojection import reproject
from .road import Road, height_over_road, lift_to_road
from .road_rays import pixels_on_road
from .transforms import invert_rigid, planar_pose, rotation_z, scale_pixels, transform_points, translation
from .visible_cells import VisibleCells, visible_cells
from .warp import sample_bev, warp_bev

__all__ = [
    'BEVGrid',
    'Road',
    'VisibleCells',
    'cell_points',
    'check_area',
    'constant',
    'cut_area',
    'ground_homography',
    'ground_lift',
    'height_over_road',
    'invert_rigid',
    'lift_to_road',
    'pixel_grid',
    'pixel_rays',
    'pixels_on_road',
    'pixels_to_ground',
    'planar_pose',
    'points_over_road',
    'project_points',
    'reproject',
    'rotation_z',
    'sample_bev',
    'scale_pixels',
    'transform_points',
    'translation',
    'visible_cells',
    'warp_bev',
]
