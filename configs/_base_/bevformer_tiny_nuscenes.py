_base_ = ['./datasets/nuscenes.py', './models/bevformer_tiny.py', './schedules/adamw_24e.py', './runtime.py']
