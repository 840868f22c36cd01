from .report import Report
from .run import check_data

__all__ = ['Report', 'check_data']
