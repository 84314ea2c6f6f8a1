"""Checkout alias of the top-level ``tools/`` folder; a wheel ships that folder here instead."""

from pathlib import Path

__path__ = [str(Path(__file__).resolve().parents[2] / "tools")]
