"""Per-CPU array maps.

Shapes below: ``n`` elements, ``c`` possible CPUs.
"""

from __future__ import annotations

from pyebpf.runtime.maps.array import ArrayElements


class PerCpuArrayMap(ArrayElements):
    """An open ``BPF_MAP_TYPE_PERCPU_ARRAY``: an element has a value for each possible CPU.

    Shape:  an element is ``(c,)``; a snapshot has values ``(n, c)``.
    Since:  Linux 4.6; read in batches since 5.13.
    """
