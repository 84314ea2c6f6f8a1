"""What the running kernel can do, asked when needed and remembered.

The rows are in ``pyebpf.runtime.feature_table``, their probes in ``pyebpf.runtime.probing``.
Versions (``since``) are quoted in messages and compared with the probes in tests; nothing is
decided by them.
"""

from __future__ import annotations

import errno
import os
import zlib
from typing import TYPE_CHECKING

from pyebpf import cache
from pyebpf.errors import KernelError, NotSupportedError
from pyebpf.lazy import lazy
from pyebpf.runtime.answers import Answer, Support
from pyebpf.runtime.refusal import effective_capabilities
from pyebpf.spec.target import Lack

if TYPE_CHECKING:
    from pyebpf.runtime import feature_table
else:
    feature_table = lazy("pyebpf.runtime.feature_table")

#: Raise it when a probe changes its meaning: answers on disk are then asked for again.
_GENERATION = 3


class KernelFeatures:
    """The features of the running kernel, probed when first asked for.

    Implements :class:`pyebpf.spec.target.Features`. Answers are kept in memory, and yes and no also
    on disk, for the same kernel, user, capabilities and lockdown state; unknown is asked again.

    Cost: a probe is one to three system calls (tens of microseconds); a kept answer none.
    """

    def __init__(self, *, keep: bool = True) -> None:
        self._keep = keep
        self._answers: dict[str, Answer] | None = None
        self._entry = ""

    @staticmethod
    def state() -> str:
        """Return what changes when answers may: the kernel, privileges, lockdown."""
        return f"{_identity():08x}"

    def has(self, name: str) -> bool:
        """Tell whether the kernel has a feature; unknown counts as no.

        Raises:
            KeyError: there is no such row.
        """
        return self.support(name).support is Support.YES

    def support(self, name: str) -> Answer:
        """Return yes, no or unknown, with the reason.

        Args:
            name: of a row of ``FEATURES``.

        Raises:
            KeyError: there is no such row.
        """
        answers = self._loaded()
        answer = answers.get(name)
        if answer is None:
            answer = answers[name] = feature_table.FEATURES[name].probe()
            if self._keep and answer.support is not Support.UNKNOWN:
                cache.write(self._entry, _dump(answers))
        return answer

    def lack(self, name: str) -> Lack | None:
        """Return why the kernel is not known to have a feature; None if it has it."""
        answer = self.support(name)
        if answer.support is Support.YES:
            return None
        return Lack(answer.reason, answer.support is Support.NO)

    def refused(self, name: str) -> KernelError | None:
        """Return the error to raise if a feature is unknown: that is no lack of the kernel."""
        answer = self.support(name)
        if answer.support is not Support.UNKNOWN:
            return None
        text = f"whether this kernel has {name} cannot be asked: {answer.reason}"
        return KernelError(errno.EPERM, text, capability=answer.capability or None)

    def require(self, name: str) -> None:
        """Raise :class:`NotSupportedError`, with the reason, unless the kernel has a feature."""
        answer = self.support(name)
        if answer.support is Support.YES:
            return
        row = feature_table.FEATURES[name]
        brought = f" (it came with Linux {row.since})" if row.since else ""
        if answer.support is Support.NO:
            text = f"this kernel lacks {name}: {row.doc}{brought}; {answer.reason}"
        else:
            text = f"whether this kernel has {name} ({row.doc}) cannot be told; {answer.reason}"
        raise NotSupportedError(text, feature=name, since=row.since)

    def _loaded(self) -> dict[str, Answer]:
        if self._answers is None:
            self._answers = {}
            if self._keep:
                self._entry = f"features-{self.state()}"
                self._answers = _parse(cache.read(self._entry) or b"")
        return self._answers


_default: list[KernelFeatures] = []


def supported(name: str) -> bool:
    """Tell whether the running kernel has a feature; asked once in a process."""
    if not _default:
        _default.append(KernelFeatures(keep=False))
    return _default[0].has(name)


def _identity() -> int:
    """Return a number for everything that answers depend on."""
    parts = [
        _read("/sys/kernel/notes") or repr(os.uname()).encode(),
        _read("/sys/kernel/security/lockdown"),
        f"{effective_capabilities():x} {os.geteuid()} {_GENERATION}".encode(),
    ]
    return zlib.crc32(b"\0".join(parts))


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            return file.read()
    except OSError:
        return b""


def _dump(answers: dict[str, Answer]) -> bytes:
    return "\n".join(
        f"{name}\t{answer.support.value}\t{' '.join(answer.reason.split())}"
        for name, answer in answers.items()
        if answer.support is not Support.UNKNOWN
    ).encode()


def _parse(data: bytes) -> dict[str, Answer]:
    """Read what :func:`_dump` wrote; a line that it did not write is skipped and asked again."""
    answers = {}
    for line in data.decode("utf-8", "replace").split("\n"):
        name, _, rest = line.partition("\t")
        word, _, reason = rest.partition("\t")
        if word in ("yes", "no"):
            answers[name] = Answer(Support(word), reason)
    return answers
