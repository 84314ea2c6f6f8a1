"""Files by their build ids: what stacks say that the kernel made with ``BPF_F_STACK_BUILD_ID``.

Shapes below: ``q`` places that are asked for.
"""

from __future__ import annotations

import numpy as np

from pyebpf.runtime.symbols.files import Files, MappedFile, build_id, identity
from pyebpf.runtime.symbols.frame import Frame
from pyebpf.runtime.symbols.process import ProcessSymbols
from pyebpf.runtime.symbols.table import Numbers

#: ``struct bpf_stack_build_id`` of ``include/uapi/linux/bpf.h``.
BUILD_ID = np.dtype([("status", "<i4"), ("build_id", "u1", (20,)), ("offset", "<u8")])
#: Values of ``status``: behind the stack's end; a place in a file; an address, for lack of a file.
EMPTY, VALID, ADDRESS = 0, 1, 2


class BuildIds:
    """The files whose build ids are known.

    Args:
        files: what is known of files.
    """

    def __init__(self, files: Files) -> None:
        self._files = files
        self._known: dict[str, MappedFile] = {}
        self._looked_at: set[tuple[object, str]] = set()

    def add(self, process: ProcessSymbols) -> None:
        """Know the files with code that were seen in a process."""
        for file in process.code_files():
            key = file.identity, file.path
            path = None if key in self._looked_at else file.now()
            self._looked_at.add(key)
            if path is not None:
                self._known.setdefault(build_id(path), file)

    def add_file(self, path: str) -> None:
        """Know one file."""
        self._known[build_id(path)] = MappedFile(path, identity(path))

    def frames(self, ident: bytes, places: Numbers) -> list[Frame]:
        """Return what is at places of the file with a build id, ``(q,)``."""
        file = self._known.get(ident.hex())
        if file is None:
            return [Frame(place, "", place, f"build-id:{ident.hex()}") for place in places.tolist()]
        return self._files.of(file).table.frames(places, places, file.path)
