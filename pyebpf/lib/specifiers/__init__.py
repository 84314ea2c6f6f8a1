"""Probes from a line of text each, for tools whose users say where to look and what for."""

from pyebpf.lib.specifiers.c_types import CType
from pyebpf.lib.specifiers.collecting import Collector, collector
from pyebpf.lib.specifiers.expressions import Part, SpecifierError
from pyebpf.lib.specifiers.grammar import Parameter, Signature, Specifier, read
from pyebpf.lib.specifiers.messages import Message, Traced, read_traced
from pyebpf.lib.specifiers.places import Place, read_place
from pyebpf.lib.specifiers.tracing import Tracing, Wanted, tracing
from pyebpf.lib.specifiers.writer import Settings, Writer, executed

__all__ = [
    "CType", "Collector", "Message", "Parameter", "Part", "Place", "Settings", "Signature",
    "Specifier", "SpecifierError", "Traced", "Tracing", "Wanted", "Writer", "collector", "executed",
    "read", "read_place", "read_traced", "tracing",
]  # fmt: skip
