"""How the running kernel was configured: ``/proc/config.gz``, or a file beside the kernel."""

from __future__ import annotations

import gzip
import os
from functools import cached_property


class KernelConfiguration:
    """The options of the running kernel, read when the first is asked for.

    Implements :class:`pyebpf.spec.target.Configuration`.
    """

    def get(self, name: str) -> str | None:
        """Return what follows ``CONFIG_NAME=``, or None if the option is not set.

        Raises:
            LookupError: the kernel does not tell its configuration.
        """
        return self._options.get(name)

    @cached_property
    def _options(self) -> dict[str, str]:
        lines = _text().splitlines()
        pairs = (line.split("=", 1) for line in lines if line.startswith("CONFIG_"))
        return {pair[0]: pair[1].strip() for pair in pairs if len(pair) > 1}


def _text() -> str:
    release = os.uname().release
    for path in ("/proc/config.gz", f"/boot/config-{release}", f"/lib/modules/{release}/config"):
        try:
            with open(path, "rb") as file:  # noqa: PTH123 - a start does not import pathlib
                data = file.read()
        except OSError:
            continue
        return (gzip.decompress(data) if path.endswith(".gz") else data).decode()
    raise LookupError("there is no /proc/config.gz, and no /boot/config-* of this kernel")
