"""What the tests of tools share."""

from tests.loop import disk

__all__ = ["disk"]
