"""What PythonBPF compiled: ``python pythonbpf_object.py OBJECT`` loads it, and shows it."""

from __future__ import annotations

import contextlib
import sys
import time

from pylibbpf import BpfObject  # type: ignore[import-not-found]


def show(tracer: BpfObject) -> None:
    """Attach; after Ctrl-C print the histogram, as BCC does."""
    tracer.load()
    tracer.attach_all()
    print("attached", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        time.sleep(600)
    seen = tracer["slots"].items()  # a dictionary
    for slot, count in sorted(seen.items()):
        print(f"{(1 << slot) & ~1} -> {(2 << slot) - 1} : {count} |{'*' * count}")


if __name__ == "__main__":
    show(BpfObject(sys.argv[1]))
