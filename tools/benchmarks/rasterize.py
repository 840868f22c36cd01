"""Measure the time to draw the BEV labels of a frame, by protocol, against cropping these map layers with the devkit.

python tools/benchmarks/rasterize.py --data-root data/synthetic_nuscenes --frames 50

Frames are at random positions of the map with random headings. Times are CPU time of one core: median and slowest. The
reference is `NuScenesMap.get_map_geom` for the layers of the protocol, without drawing.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
from nuscenes.map_expansion.map_api import NuScenesMap

from ssl_bev.command_line import CommandParser, input_errors
from ssl_bev.preparation.map_geometry import MapGeometry
from ssl_bev.preparation.protocols import LabelProtocol
from ssl_bev.preparation.rasterize import MapRasterizer

PROTOCOLS = Path(__file__).resolve().parents[2] / 'configs' / '_base_' / 'protocols'


@input_errors()
def main(arguments: list[str] | None = None) -> None:
    parser = CommandParser(__doc__)
    parser.add_common('--data-root', '--root', type=Path, required=True, help='dataset with maps/expansion/')
    parser.add_argument(
        '--protocols', nargs='+', default=['road_markings', 'bevfusion', 'hdmapnet'], help='protocols to draw'
    )
    parser.add_argument('--frames', type=int, default=50, help='poses to draw at')
    args = parser.parse_args(arguments)
    paths = sorted((args.data_root / 'maps' / 'expansion').glob('*.json'))
    if not paths:
        parser.error(f'--data-root: no map expansion below {args.data_root}')
    print(f'{"map":24} {"protocol":14} {"prepared":>9} {"median":>8} {"slowest":>8} {"devkit":>8} {"ratio":>6}')
    for path in paths:
        geometry, devkit = MapGeometry.read(path), NuScenesMap(str(args.data_root), path.stem)
        poses = random_poses(geometry, args.frames)
        for name in args.protocols:
            measure(path.stem, name, geometry, devkit, poses)


def random_poses(geometry: MapGeometry, number: int) -> list[np.ndarray]:
    """Poses at stop lines, dividers and crossings, up to 5 m away."""
    rng = np.random.default_rng(0)
    nodes = {node['token']: (node['x'], node['y']) for node in geometry.content['node']}
    lines = [record['node_tokens'] for record in geometry.content['line'] if record['node_tokens']]
    poses = []
    for index in rng.integers(len(lines), size=number):
        x, y = np.array(nodes[rng.choice(lines[index])]) + rng.uniform(-5, 5, 2)
        cos, sin = np.cos(yaw := rng.uniform(-np.pi, np.pi)), np.sin(yaw)
        poses.append(np.array([[cos, -sin, 0, x], [sin, cos, 0, y], [0, 0, 1, 0], [0, 0, 0, 1.0]]))
    return poses


def measure(town: str, name: str, geometry: MapGeometry, devkit: NuScenesMap, poses: list[np.ndarray]) -> None:
    protocol = LabelProtocol.read(name, PROTOCOLS)
    start = time.process_time()
    rasterizer = MapRasterizer(geometry, protocol.grid, protocol.classes)
    prepared = time.process_time() - start
    layers = sorted({layer for spec in protocol.classes for layer in spec.layers})
    (x0, x1), (y0, y1) = protocol.grid.x_range, protocol.grid.y_range
    drawn, cut = [], []
    for pose in poses:
        start = time.process_time()
        rasterizer(pose, np.eye(4))
        drawn.append(time.process_time() - start)
        patch = (pose[0, 3], pose[1, 3], y1 - y0, x1 - x0)
        start = time.process_time()
        devkit.get_map_geom(patch, np.degrees(np.arctan2(pose[1, 0], pose[0, 0])), layers)
        cut.append(time.process_time() - start)
    median, yardstick = 1e3 * np.median(drawn), 1e3 * np.median(cut)
    print(
        f'{town:24} {name:14} {prepared:7.2f} s {median:5.1f} ms {1e3 * max(drawn):5.1f} ms {yardstick:5.0f} ms '
        f'{yardstick / median:5.1f}x'
    )


if __name__ == '__main__':
    main()
