"""Decorators that say where a function runs. Nothing is parsed or compiled here.

Each decorator is a typed front for rows of ``pyebpf.abi.programs``; a module holds a family.
"""

from pyebpf.dsl.probes.base import Hook, Probe, program_names

__all__ = ["Hook", "Probe", "program_names"]
