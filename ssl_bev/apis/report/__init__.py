"""One HTML file about one or several trainings."""

from .page import write_report
from .samples import SampleSettings

__all__ = ['SampleSettings', 'write_report']
