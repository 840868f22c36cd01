"""torchrun with the exit code that job managers expect of a preempted run; see torchrun.sh.

python tools/torchrun.py --standalone --nproc_per_node 2 tools/train.py CONFIG --launcher pytorch

SIGTERM and SIGUSR1 are forwarded to all processes, where `PreemptionHook` saves; torchrun gives them 30 seconds. Then
the exit code is 143, also if only one process was signalled.
"""

from __future__ import annotations

import os
import signal
import sys

from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.run import main

EXIT_CODE = 143  # as of `PreemptionHook`

if __name__ == '__main__':
    # torchrun alone is ended by SIGUSR1, and its processes continue without it.
    signal.signal(signal.SIGUSR1, lambda number, frame: os.kill(os.getpid(), signal.SIGTERM))
    try:
        main()
    except SignalException:
        sys.exit(EXIT_CODE)
    except ChildFailedError as error:
        if error.get_first_failure()[1].exitcode == EXIT_CODE:
            sys.exit(EXIT_CODE)
        raise
