# HDMapNet's semantic map (arXiv 2107.06307): dividers, the two long edges of crossings, and the boundary of the road as
# lines; 60 m x 30 m in cells of 0.15 m. Lines 0.75 m wide (5 cells, as in the original), also evaluated at 0.3 m; each
# cell belongs only to its most probable class. Use it as a second base beside a recipe.
protocol = dict(
    label_dir='bev_labels_hdmapnet',
    grid=dict(x_range=(-30.0, 30.0), y_range=(-15.0, 15.0), cell_size=0.15),
    classes=('divider', 'ped_crossing', 'boundary'),
    label_classes=[
        dict(name='divider', layers=['road_divider', 'lane_divider'], kind='line', line_width=0.75),
        dict(name='ped_crossing', layers=['ped_crossing'], kind='long_edges', line_width=0.75),
        dict(name='boundary', layers=['drivable_area'], kind='boundary', line_width=0.75),
        dict(name='divider_0.3m', layers=['road_divider', 'lane_divider'], kind='line', line_width=0.3),
        dict(name='ped_crossing_0.3m', layers=['ped_crossing'], kind='long_edges', line_width=0.3),
        dict(name='boundary_0.3m', layers=['drivable_area'], kind='boundary', line_width=0.3),
    ],
    # The areas of the pseudo-labels have no class here, but their edges have.
    coarse_classes=dict(
        drivable=[], marking=['divider'], crosswalk=[], boundary=['boundary'], crosswalk_edge=['ped_crossing']
    ),
)
protocol.update(
    model=dict(
        bev_encoder=dict(x_range=(-30.0, 30.0), y_range=(-15.0, 15.0), bev_shape=(50, 100)),
        seg_head=dict(
            grid=protocol['grid'],
            num_upsamples=2,
            classes=protocol['classes'],
            coarse_classes=list(protocol['coarse_classes'].items()),
        ),
        objectives=dict(
            seg=dict(loss=dict(positive_weight=[3.0, 3.0, 3.0])),
            reprojection=dict(
                line_width=dict(marking=0.75, boundary=0.75, crosswalk_edge=0.75),
                edges=dict(boundary='drivable', crosswalk_edge='crosswalk'),
                loss=dict(positive_weight=[1.0, 10.0, 6.0, 10.0, 10.0]),
            ),
        ),
    ),
    dataloader=dict(dataset=dict(label_dir=protocol['label_dir'])),
    evaluator=[
        dict(type='BEVIoUMetric', classes=protocol['classes'], exclusive=True),
        dict(
            type='BEVIoUMetric',
            prefix='bev_0.3m',
            classes=tuple(f'{name}_0.3m' for name in ('divider', 'ped_crossing', 'boundary')),
            merge={f'{name}_0.3m': [name] for name in ('divider', 'ped_crossing', 'boundary')},
            exclusive=True,
        ),
    ],
    coarse_evaluator=dict(
        type='BEVIoUMetric',
        classes=['marking', 'boundary', 'crosswalk_edge'],
        merge=dict(marking=['divider'], boundary=['boundary'], crosswalk_edge=['ped_crossing']),
    ),
)
