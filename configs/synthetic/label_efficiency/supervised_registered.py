# Control: the baseline on maps that are fitted to what the teacher saw.
_base_ = './supervised.py'
train_dataloader = dict(dataset=dict(label_dir='bev_labels_registered'))
