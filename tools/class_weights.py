#!/usr/bin/env python
"""Propose `positive_weight` of SegmentationLoss from the labels: about 1 / sqrt(frequency) of each class.

python tools/class_weights.py data/nuscenes/bev_labels
python tools/class_weights.py data/nuscenes/bev_labels --power 1 --sample-interval 10
"""

from __future__ import annotations

from ssl_bev.command_line import CommandParser, input_errors
from ssl_bev.preparation.class_frequency import class_frequencies, positive_weights


@input_errors()
def main(arguments: list[str] | None = None) -> None:
    parser = CommandParser(__doc__)
    parser.add_argument('labels', help='folder of BEV labels')
    parser.add_argument(
        '--power',
        type=float,
        default=0.5,
        help='of the inverse frequency; 1: positive and negative cells weigh the same',
    )
    parser.add_argument('--highest', type=float, default=30.0, help='upper bound of the weights')
    parser.add_argument('--sample-interval', type=int, default=1, help='read every n-th file')
    args = parser.parse_args(arguments)
    frequencies = class_frequencies(args.labels, args.sample_interval)
    weights = positive_weights(frequencies, args.power, args.highest)
    for name, share in frequencies.items():
        print(f'{name:20} {100 * share:8.3f} % of cells   weight {weights[name]:6.2f}')
    print(f'positive_weight={[round(weight, 2) for weight in weights.values()]}')


if __name__ == '__main__':
    main()
