"""What was checked, and what is wrong."""

from __future__ import annotations

from collections import Counter, defaultdict

from ssl_bev.text_table import align_columns


class Report:
    """Counts checked items and findings by check; keeps the first messages of each.

    Args:
        max_messages: kept per check, separately for errors and warnings; all are counted.
    """

    def __init__(self, max_messages: int = 20) -> None:
        self.max_messages = max_messages
        self.checked: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.warnings: Counter[str] = Counter()
        self.messages: dict[str, list[str]] = defaultdict(list)

    def count(self, check: str, number: int = 1) -> None:
        """That many items were checked."""
        self.checked[check] += number

    def error(self, check: str, message: str) -> None:
        """The data cannot be used as they are."""
        self._add(self.errors, check, f'error: {check}: {message}')

    def warn(self, check: str, message: str) -> None:
        """The data can be used, but may be wrong."""
        self._add(self.warnings, check, f'warning: {check}: {message}')

    @property
    def is_good(self) -> bool:
        """True if only warnings were found."""
        return not self.errors.total()

    def __str__(self) -> str:
        rows = [('check', 'checked', 'errors', 'warnings')]
        rows += [(name, str(n), str(self.errors[name]), str(self.warnings[name])) for name, n in self.checked.items()]
        lines = align_columns(rows)
        lines.insert(1, '-' * len(lines[0]))
        for name in self.checked:
            lines += self.messages[name]
            if hidden := self.errors[name] + self.warnings[name] - len(self.messages[name]):
                lines.append(f'{name}: {hidden} more')
        return '\n'.join(lines)

    def _add(self, counter: Counter[str], check: str, message: str) -> None:
        self.checked.setdefault(check, 0)
        counter[check] += 1
        if counter[check] <= self.max_messages:
            self.messages[check].append(message)
