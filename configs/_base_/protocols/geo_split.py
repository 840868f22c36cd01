# A split in which no validation frame is close to a training frame, from the lists of tools/make_geo_split.py. Use it as
# a second base beside a recipe, see bevformer_supervised_geo_split.py.
geo_split = dict(
    files=['ssl_bev_infos_train.pkl', 'ssl_bev_infos_val.pkl'],
    train='{{$SSL_BEV_NUSCENES:data/nuscenes}}/geo_split/train.txt',
    val='{{$SSL_BEV_NUSCENES:data/nuscenes}}/geo_split/val.txt',
)
geo_split.update(
    train_dataloader=dict(
        dataset=dict(ann_file=geo_split['files'], scene_list=geo_split['train'], disjoint_from=geo_split['val'])
    ),
    val_dataloader=dict(
        dataset=dict(ann_file=geo_split['files'], scene_list=geo_split['val'], disjoint_from=geo_split['train'])
    ),
)
