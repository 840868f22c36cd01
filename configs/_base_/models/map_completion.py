# mmseg's UNet at the label grid's resolution. in_channels is twice the number of evidence classes; seg_head is BEVFormer's
# with what is here.
map_completion = dict(
    type='MapCompletion',
    data_preprocessor=dict(type='BaseDataPreprocessor'),
    backbone=dict(
        type='mmseg.UNet',
        base_channels=16,
        num_stages=4,
        strides=(1, 1, 1, 1),
        enc_num_convs=(2, 2, 2, 2),
        dec_num_convs=(2, 2, 2),
        downsamples=(True, True, True),
        enc_dilations=(1, 1, 1, 1),
        dec_dilations=(1, 1, 1),
        upsample_cfg=dict(type='mmseg.InterpConv'),
    ),
)
map_completion_head = dict(in_channels=16, channels=16, num_upsamples=0)
