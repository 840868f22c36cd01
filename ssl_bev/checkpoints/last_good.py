"""The newest complete checkpoint of a run."""

from __future__ import annotations

from pathlib import Path

from .safe_checkpoint import load_checkpoint_file

NOTE = 'last_checkpoint'  # mmengine's file with the path of the newest checkpoint
_NEEDED = ('meta', 'state_dict', 'message_hub')  # what mmengine resumes from


def find_last_good(folder: str | Path) -> tuple[Path | None, list[str]]:
    """The checkpoint that a run in this folder should continue from, and the faults of newer ones.

    It is the one that `last_checkpoint` names, or else the complete one with most iterations; None if there is none.

    Raises:
        ValueError: there are checkpoints, but none is complete.
    """
    folder, faults = Path(folder), []
    noted = _noted(folder)
    if noted is not None:
        try:
            _iterations(noted)
            return noted, []
        except (ValueError, FileNotFoundError) as error:
            faults.append(str(error))
    elif (folder / NOTE).is_file():
        faults.append(f'{folder / NOTE} is empty')
    whole: dict[Path, int] = {}
    for path in sorted(folder.glob('*.pth')):
        if path == noted or path.name.startswith('best_'):  # those lack the optimizer's state
            continue
        try:
            whole[path] = _iterations(path)
        except ValueError as error:
            faults.append(str(error))
    if whole:
        return max(whole, key=whole.__getitem__), faults
    if faults:
        raise ValueError(
            f'no checkpoint in {folder} can be resumed from: {"; ".join(faults)}. '
            'Restore one of them, or start anew in another work directory'
        )
    return None, []


def _noted(folder: Path) -> Path | None:
    if not (folder / NOTE).is_file():
        return None
    text = (folder / NOTE).read_text(errors='replace').strip()  # whatever a crash of the machine left
    if not text:
        return None
    moved = folder / Path(text).name  # the note holds the path of then
    return moved if moved.is_file() else Path(text)


def _iterations(path: Path) -> int:
    content = load_checkpoint_file(path, 'meta')
    missing = [key for key in _NEEDED if not isinstance(content, dict) or key not in content]
    if missing:
        raise ValueError(f'checkpoint {path} holds no {" and no ".join(missing)}')
    if not isinstance(content['meta'], dict) or not isinstance(content['meta'].get('iter'), int):
        raise ValueError(f'checkpoint {path} does not say its iteration')
    return content['meta']['iter']
