"""Checkout alias of the top-level ``tools/`` folder; a wheel ships that folder here instead."""

# ruff: noqa: PTH100, PTH118, PTH120 - pathlib costs every start of a tool 4 ms

from os.path import abspath, dirname, join

__path__ = [join(dirname(dirname(dirname(abspath(__file__)))), "tools")]
