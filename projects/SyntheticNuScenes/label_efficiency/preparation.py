"""The data that a selection of runs needs, made as far as they are not there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .arms import ARMS, SETTINGS, Run
from .completion import Completion
from .towns import TownData


def prepare(data: TownData, runs: Sequence[Run], out: Path, toy: bool, say: Callable[[str], None]) -> None:
    """Towns, pseudo-labels, accumulated targets, registered labels and completed maps.

    Raises:
        ValueError: the data were made in another way.
        CommandError: a tool failed.
    """
    data.make_towns()
    for setting in SETTINGS:  # the smaller one first
        mine = [run for run in runs if run.setting == setting]
        if mine:
            say(f'pseudo-labels for {setting} ...')
            data.make_pseudo_labels(setting)
        if any(ARMS[run.arm].accumulates for run in mine):
            say(f'accumulated targets for {setting} ...')
            data.accumulate(setting)
    if any(ARMS[run.arm].registers for run in runs):
        say('registered labels ...')
        data.register_labels()
    every = [Completion(data, run, out, toy) for run in runs if ARMS[run.arm].completes]
    completions = {completion.key: completion for completion in every}.values()
    if completions:
        say(f'completed maps of {len(completions)} ...')
        with ThreadPoolExecutor(data.jobs) as pool:
            list(pool.map(Completion.make, completions))
