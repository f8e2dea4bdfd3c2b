"""The last bytes of a stream that may be long.

Invariants
  - At most twice `limit` bytes are held, and the last `limit` of what was added are always among them.
"""

from __future__ import annotations


class Tail:
    """Keeps the end of what is added to it."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._data = bytearray()

    def add(self, data: bytes) -> None:
        """Append `data`, and drop the oldest bytes when there are too many."""
        self._data += data
        if len(self._data) > 2 * self._limit:
            del self._data[: len(self._data) - self._limit]

    def clear(self) -> None:
        """Forget everything."""
        self._data.clear()

    def text(self) -> str:
        """Return the last `limit` bytes as text."""
        return self._data[-self._limit :].decode("utf-8", "backslashreplace")
