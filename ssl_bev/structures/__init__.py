from .bev_data_sample import BEVDataSample
from .camera_rig import CameraRig

__all__ = ['BEVDataSample', 'CameraRig']
