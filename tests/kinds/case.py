"""A case: a program of one kind, and how far it comes on the running kernel."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from pyebpf import Session, load
from pyebpf.dsl.probes import Probe
from pyebpf.errors import CompileError, PyebpfError, VerifierError
from pyebpf.runtime.answers import Support
from pyebpf.runtime.features import KernelFeatures
from pyebpf.runtime.links import Link

#: How far a program may come, in order.
STEPS = ("compiled", "verified", "attached", "fired")


#: What a reason begins with where a program runs though the kernel lacks its kind.
BY_OTHER_MEANS = "by other means, for "


class Steps:
    """What a case has reached. ``without`` says why there is a step that it does not take."""

    def __init__(self) -> None:
        self.reached: list[str] = []
        self.without = ""

    @contextmanager
    def loaded(self, *probes: Probe) -> Iterator[Session]:
        """Compile and load programs; the errors tell which of both went wrong."""
        try:
            session = load(*probes, attach=False)
        except CompileError:
            raise
        except PyebpfError:
            self.reached.append("compiled")
            raise
        with session:
            self.reached += ["compiled", "verified"]
            yield session

    def attach(self, session: Session, *probes: Probe, **at: Any) -> Link:
        """Attach programs; return the link of the last."""
        for probe in probes:
            link = session.attach(probe, **at)
        self.reached.append("attached")
        return link

    def fired(self, got: object, expected: object) -> None:
        """Compare what the program has seen, or done, with what happened."""
        assert got == expected, f"the program gave {got!r}, not {expected!r}"
        self.reached.append("fired")


class Case(NamedTuple):
    """One kind.

    Attributes:
        kind: a row of ``pyebpf.abi.programs``.
        run: loads a program of it, makes it run, compares.
        needs: features that it takes.
    """

    kind: str
    run: Callable[[Steps], None]
    needs: tuple[str, ...]


class Outcome(NamedTuple):
    """What came of a case on one kernel.

    Attributes:
        kind: of its program.
        reached: steps.
        reason: why the others were not: what the probe of a feature says; or why it runs by other
            means than those of its kind.
        wrong: what is wrong, if the kernel has all that it takes.
        seconds: the case took.
    """

    kind: str
    reached: tuple[str, ...]
    reason: str = ""
    wrong: str = ""
    seconds: float = 0


CASES: dict[str, Case] = {}


def case(
    kind: str, *needs: str, old_way: bool = False
) -> Callable[[Callable[[Steps], None]], Callable[[Steps], None]]:
    """Declare the case of a kind; several decorators give several kinds, the innermost first.

    Args:
        kind: a row of ``pyebpf.abi.programs``.
        needs: features that it takes besides the kind itself.
        old_way: a kernel that does not know the kind attaches such programs all the same, in a way
            that is older; ``needs`` is then all that it takes.
    """

    def declare(function: Callable[[Steps], None]) -> Callable[[Steps], None]:
        assert kind not in CASES, f"there are two cases of {kind}"
        CASES[kind] = Case(kind, function, needs if old_way else (f"prog:{kind}", *needs))
        return function

    return declare


def run(one: Case) -> Outcome:
    """Run a case. Nothing is asked before: what fails is looked for among the features."""
    begin = time.monotonic()
    outcome = _run(one)
    return outcome._replace(seconds=round(time.monotonic() - begin, 2))


def _run(one: Case) -> Outcome:
    steps = Steps()
    try:
        one.run(steps)
    except (PyebpfError, AssertionError, OSError) as error:
        reached = tuple(steps.reached)
        reason = "" if _is_ours(error) else lacking(one)
        return Outcome(one.kind, reached, reason, "" if reason else _told(error))
    reached = tuple(steps.reached)
    missing = [step for step in STEPS if step not in reached]
    if missing and not steps.without:
        return Outcome(one.kind, reached, "", f"the case does not try {', '.join(missing)}")
    lacks = lacking(one)
    return Outcome(one.kind, reached, steps.without or (lacks and f"{BY_OTHER_MEANS}{lacks}"))


def lacking(one: Case) -> str:
    """Say what the kernel lacks for a case, in the words of the probe; "" if nothing."""
    features = KernelFeatures(keep=False)
    for name in one.needs:
        answer = features.support(name)
        if answer.support is not Support.YES:
            return f"{name}: {answer.reason}"
    return ""


def _is_ours(error: Exception) -> bool:
    """Tell whether the compiler refused what no kernel has to do with."""
    if not isinstance(error, CompileError):
        return False
    return bool({item.code for item in error.diagnostics} - {"E0701", "E0107", "E0105"})


def _told(error: Exception) -> str:
    first = str(error).partition("\n")[0]
    last = error.log.strip().splitlines()[-3:] if isinstance(error, VerifierError) else []
    return f"{type(error).__name__}: {' | '.join([first, *last])}"
