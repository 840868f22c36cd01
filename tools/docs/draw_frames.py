"""Draw the picture of docs/conventions.md.

python tools/docs/draw_frames.py [OUT]
"""

import sys
from pathlib import Path

from ssl_bev.visualization.frames_figure import draw_frames_figure

if __name__ == '__main__':
    default = Path(__file__).resolve().parents[2] / 'docs' / 'images' / 'frames.png'
    print(draw_frames_figure(sys.argv[1] if len(sys.argv) > 1 else default))
