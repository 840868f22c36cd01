"""Compare pseudo-labels of the synthetic world with its exact class maps.

python projects/SyntheticNuScenes/teacher/evaluate.py --data-root DIR --pseudo-labels DIR \\
    --label-map mapillary_v2 --out PREFIX

It writes PREFIX.json and PREFIX.png: IoU by distance ring and by lighting, and a reliability diagram of the confidence.
All figures are for synthetic images. The distance of a pixel is that of the road point on its ray from the origin of
the ego frame; pixels above the horizon do not count.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from ssl_bev.command_line import CommandParser, input_errors
from ssl_bev.datasets.calibration import frame_cameras, frame_poses
from ssl_bev.datasets.info_files import read_info_file
from ssl_bev.files import write_text
from ssl_bev.geometry import ground_homography, pixel_grid, pixels_to_ground
from ssl_bev.pseudo_labels import LabelMap, PseudoLabelReader
from ssl_bev.pseudo_labels.label_map import reduction_table
from ssl_bev.targets import IGNORE

RINGS = {'0-10 m': (0, 10), '10-20 m': (10, 20), '20-30 m': (20, 30), '30-50 m': (30, 50)}
WITHIN = 30.0
BINS = 20
GROUPS = {  # name -> target of the label map; road and marking together are what is drivable
    'road or marking': 'drivable',
    'marking': 'marking',
    'crosswalk': 'crosswalk',
    'line': 'line',
    'stop line': 'stop_line',
    'symbol': 'symbol',
}


class Comparison:
    """Counts of intersection and union by region, and of hits by confidence."""

    def __init__(self, truth: PseudoLabelReader, labels: PseudoLabelReader, label_map: str) -> None:
        self.truth, self.labels = truth, labels
        names = LabelMap.load(label_map)
        self.groups = {group: target for group, target in GROUPS.items() if target in names.targets}
        targets = list(self.groups.values())
        self.same_space = set(labels.class_names) <= set(truth.class_names)
        # The truth has v2.0 names: bring its ids to the teacher's.
        if self.same_space:
            ids = {name: i for i, name in enumerate(labels.class_names)}
            self.to_teacher = np.array([ids.get(name, IGNORE) for name in truth.class_names], np.uint8)
        else:
            coarser = [*names.class_names, 'Unlabeled']
            ids = {name: i for i, name in enumerate(labels.class_names)}
            reduced = reduction_table(truth.class_names, coarser)
            self.to_teacher = np.array([ids.get(coarser[index], IGNORE) for index in reduced], np.uint8)
        self.positive = np.zeros((256, len(targets)), bool)
        self.positive[: len(labels.class_names)] = names.table(labels.class_names, targets) == 1
        self.counts: dict[str, np.ndarray] = {}
        self.hits = np.zeros((2, BINS), np.int64)  # right ones, all

    def add(self, camera: str, stem: str, distance: np.ndarray, look: str) -> None:
        """Count one image; `distance` is (H, W) in metres, infinite above the horizon."""
        true_ids, _ = self.truth.read(camera, stem)
        ids, confidence = self.labels.read(camera, stem)
        known = np.full(256, IGNORE, np.uint8)
        known[: len(self.to_teacher)] = self.to_teacher
        true_ids = known[true_ids]
        truth, found = self.positive[true_ids], self.positive[ids]
        regions = {ring: (distance >= a) & (distance < b) for ring, (a, b) in RINGS.items()}
        regions[f'0-{WITHIN:.0f} m'] = regions[look] = distance < WITHIN
        for name, where in regions.items():
            t, f = truth[where], found[where]
            self.counts[name] = self.counts.get(name, 0) + np.stack([(t & f).sum(0), (t | f).sum(0)])
        valid = true_ids != IGNORE
        bins = np.minimum(confidence[valid].astype(np.int64) * BINS // 255, BINS - 1)
        right = true_ids[valid] == ids[valid]
        self.hits += np.stack([np.bincount(bins, right, BINS), np.bincount(bins, minlength=BINS)]).astype(np.int64)

    def result(self) -> dict:
        """IoU in percent by region and group, accuracy by confidence, and the expected calibration error."""
        iou = {
            region: dict(zip(self.groups, np.round(100 * both / np.maximum(either, 1), 1).tolist(), strict=True))
            for region, (both, either) in self.counts.items()
        }
        right, every = self.hits
        accuracy, centre = right / np.maximum(every, 1), (np.arange(BINS) + 0.5) / BINS
        share = every / every.sum()
        return {
            'data': 'synthetic',
            'IoU': iou,
            'pixel_accuracy': round(float(right.sum() / every.sum()), 4),
            'reliability': {
                'confidence': centre.round(3).tolist(),
                'accuracy': accuracy.round(4).tolist(),
                'share': share.round(5).tolist(),
                'expected_calibration_error': round(float((share * abs(accuracy - centre)).sum()), 4),
            },
        }


def ground_distance(frame: dict, camera: str, size: tuple[int, int]) -> np.ndarray:  # (H, W), metres
    """Distance of the road point on each pixel's ray."""
    cam2img, bev2cam = frame_cameras(frame, [camera], 'ego')
    homography = ground_homography(torch.from_numpy(cam2img @ bev2cam), torch.from_numpy(frame_poses(frame, 'ego')[1]))
    xy, _, valid = pixels_to_ground(pixel_grid(size, dtype=torch.float64).reshape(1, -1, 2), homography)
    return torch.where(valid, xy.norm(dim=-1), torch.inf).reshape(size).numpy()


def draw(result: dict, path: Path) -> None:
    """IoU by ring and look, and the reliability diagram."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.6), layout='constrained')
    left, right = figure.subplots(1, 2, width_ratios=[2, 1])
    regions = list(result['IoU'])
    for i, group in enumerate(next(iter(result['IoU'].values()))):
        values = [result['IoU'][region][group] for region in regions]
        left.bar(np.arange(len(regions)) + 0.13 * i - 0.3, values, 0.13, label=group)
    left.set(xticks=range(len(regions)), xticklabels=regions, ylabel='IoU (%)', ylim=(0, 100))
    left.set_title('synthetic images of unseen towns', fontsize=10)
    left.legend(fontsize=7, ncols=6, loc='upper center', bbox_to_anchor=(0.5, -0.1))
    reliability = result['reliability']
    right.plot([0, 1], [0, 1], color='0.7')
    right.plot(reliability['confidence'], reliability['accuracy'], 'o-', label='accuracy')
    right.bar(reliability['confidence'], reliability['share'], 0.04, color='0.8', label='share of pixels')
    right.set(xlabel='confidence', ylim=(0, 1))
    right.set_title(f'calibration error {reliability["expected_calibration_error"]:.3f}', fontsize=10)
    right.legend(fontsize=8)
    figure.savefig(path, dpi=90)


@input_errors()
def main(arguments: list[str] | None = None) -> None:
    parser = CommandParser(__doc__)
    parser.add_common('--data-root', '--data', type=Path, required=True, help='dataset with info files and oracle/')
    parser.add_argument('--splits', nargs='+', default=['train', 'val'], help='info files of these splits')
    parser.add_common('--pseudo-labels', '--labels', type=Path, required=True)
    parser.add_common('--label-map', required=True)
    parser.add_common('--out', type=Path, required=True, metavar='PREFIX', help='results: PREFIX.json, PREFIX.png')
    args = parser.parse_args(arguments)
    looks = {
        scene['name']: scene['look'] for scene in json.loads((args.data_root / 'synthetic.json').read_text())['scenes']
    }
    comparison = Comparison(
        PseudoLabelReader(args.data_root / 'oracle'), PseudoLabelReader(args.pseudo_labels), args.label_map
    )
    for split in args.splits:
        for frame in read_info_file(args.data_root / f'ssl_bev_infos_{split}.pkl')['data_list']:
            for camera, image in frame['images'].items():
                stem = Path(image['img_path']).stem
                ids, _ = comparison.truth.read(camera, stem)
                distance = ground_distance(frame, camera, ids.shape)
                comparison.add(camera, stem, distance, looks[frame['scene_name']])
    result = {'labels': args.pseudo_labels.name, **comparison.result()}
    write_text(f'{args.out}.json', json.dumps(result, indent=1) + '\n')
    draw(result, Path(f'{args.out}.png'))
    for region, values in result['IoU'].items():
        print(f'{region:10}', *(f'{group} {value:5.1f}  ' for group, value in values.items()))
    print('expected calibration error', result['reliability']['expected_calibration_error'])


if __name__ == '__main__':
    main()
