"""What everything that owns something open has in common: ``close``, and ``with``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self


class Owner:
    """Owns what is open until it is closed; leaving a ``with`` block closes, whatever happened."""

    def close(self) -> None:
        """Let go of it. Closing twice is no error."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
