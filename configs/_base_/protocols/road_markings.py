# Road markings, the default of all recipes: five classes, 60 m x 30 m in cells of 0.25 m; lines 0.5 m wide, also evaluated
# at 0.25 m. Use it as a second base beside a recipe, see bevformer_supervised_road_markings.py.
protocol = dict(
    label_dir='bev_labels_road_markings',
    grid=dict(x_range=(-30.0, 30.0), y_range=(-15.0, 15.0), cell_size=0.25),
    classes=('drivable_area', 'lane_divider', 'road_divider', 'ped_crossing', 'stop_line'),
    label_classes=[
        dict(name='drivable_area', layers=['drivable_area']),
        dict(name='lane_divider', layers=['lane_divider'], kind='line', line_width=0.5),
        dict(name='road_divider', layers=['road_divider'], kind='line', line_width=0.5),
        dict(name='ped_crossing', layers=['ped_crossing']),
        dict(name='stop_line', layers=['stop_line']),
        dict(name='lane_divider_0.25m', layers=['lane_divider'], kind='line', line_width=0.25),
        dict(name='road_divider_0.25m', layers=['road_divider'], kind='line', line_width=0.25),
    ],
    coarse_classes=dict(
        drivable=['drivable_area'],
        marking=['lane_divider', 'road_divider', 'stop_line'],
        crosswalk=['ped_crossing'],
    ),
)
protocol.update(
    model=dict(seg_head=dict(classes=protocol['classes'], coarse_classes=list(protocol['coarse_classes'].items()))),
    dataloader=dict(dataset=dict(label_dir=protocol['label_dir'])),
    evaluator=[
        dict(type='BEVIoUMetric', classes=protocol['classes']),
        dict(
            type='BEVIoUMetric',
            prefix='bev_0.25m',
            classes=('drivable_area', 'lane_divider_0.25m', 'road_divider_0.25m', 'ped_crossing', 'stop_line'),
            merge={'lane_divider_0.25m': ['lane_divider'], 'road_divider_0.25m': ['road_divider']},
        ),
    ],
    coarse_evaluator=dict(
        type='BEVIoUMetric', classes=list(protocol['coarse_classes']), merge=protocol['coarse_classes']
    ),
)
