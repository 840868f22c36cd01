# BEVFusion's map segmentation (arXiv 2205.13542): six classes, 100 m x 100 m in cells of 0.5 m; dividers 1.5 m wide, as
# in the original, also evaluated at 0.5 m. Use it as a second base beside a recipe.
protocol = dict(
    label_dir='bev_labels_bevfusion',
    grid=dict(x_range=(-50.0, 50.0), y_range=(-50.0, 50.0), cell_size=0.5),
    classes=('drivable_area', 'ped_crossing', 'walkway', 'stop_line', 'carpark_area', 'divider'),
    label_classes=[
        dict(name='drivable_area', layers=['drivable_area']),
        dict(name='ped_crossing', layers=['ped_crossing']),
        dict(name='walkway', layers=['walkway']),
        dict(name='stop_line', layers=['stop_line']),
        dict(name='carpark_area', layers=['carpark_area']),
        dict(name='divider', layers=['road_divider', 'lane_divider'], kind='line', line_width=1.5),
        dict(name='divider_0.5m', layers=['road_divider', 'lane_divider'], kind='line', line_width=0.5),
    ],
    coarse_classes=dict(drivable=['drivable_area'], marking=['divider', 'stop_line'], crosswalk=['ped_crossing']),
    rings=((0, 10), (10, 20), (20, 30), (30, 50)),
)
protocol.update(
    model=dict(
        bev_encoder=dict(x_range=(-50.0, 50.0), y_range=(-50.0, 50.0), bev_shape=(50, 50)),
        seg_head=dict(
            grid=protocol['grid'],
            num_upsamples=2,
            classes=protocol['classes'],
            coarse_classes=list(protocol['coarse_classes'].items()),
            new_classes=('walkway', 'carpark_area'),
        ),
        objectives=dict(
            seg=dict(loss=dict(positive_weight=[1.0, 3.0, 2.0, 3.0, 3.0, 3.0])),
            reprojection=dict(line_width=dict(marking=1.5)),
        ),
    ),
    dataloader=dict(dataset=dict(label_dir=protocol['label_dir'])),
    evaluator=[
        dict(type='BEVIoUMetric', classes=protocol['classes'], rings=protocol['rings']),
        dict(
            type='BEVIoUMetric',
            prefix='bev_0.5m',
            classes=(*protocol['classes'][:-1], 'divider_0.5m'),
            merge={'divider_0.5m': ['divider']},
            rings=protocol['rings'],
        ),
    ],
    coarse_evaluator=dict(
        type='BEVIoUMetric', classes=list(protocol['coarse_classes']), merge=protocol['coarse_classes']
    ),
)
