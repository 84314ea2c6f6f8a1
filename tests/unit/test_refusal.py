"""Who or what refused: told from what the machine says of its policies, not from the version."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from pyebpf.abi.capability import CAPABILITIES
from pyebpf.runtime import memlock, policy, refusal, verifier_rights

ALL = sum(1 << bit for bit in CAPABILITIES.values())


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder whose files are what the kernel says of its policies; none at first."""
    for name in ("_LOCKDOWN", "_MODULES", "_STATUS", "_UNPRIVILEGED"):
        monkeypatch.setattr(policy, name, str(tmp_path / name))
    monkeypatch.setattr(refusal, "effective_capabilities", lambda: ALL)
    monkeypatch.setattr(verifier_rights, "effective_capabilities", lambda: ALL)
    monkeypatch.setattr(refusal, "in_user_namespace", lambda: False)
    monkeypatch.setattr(memlock, "exhausted", lambda: "")
    return tmp_path


def refused(**more: object) -> str:
    return str(refusal.refusal(errno.EPERM, "trying", needs=("CAP_BPF",), **more))  # type: ignore[arg-type]


def test_active_policies_are_named(machine: Path) -> None:
    (machine / "_LOCKDOWN").write_text("none [integrity] confidentiality\n")
    (machine / "_MODULES").write_text("lockdown,capability,yama,apparmor,bpf")
    (machine / "_STATUS").write_text("Name:\tx\nSeccomp:\t2\nSeccomp_filters:\t1\n")
    text = refused()
    assert "CAP_BPF held, so a policy refuses it: kernel lockdown (integrity)" in text
    assert "a security module (apparmor, bpf)" in text
    assert "seccomp" in text
    assert "yama" not in text


def test_nothing_is_blamed_that_is_not_there(machine: Path) -> None:
    (machine / "_LOCKDOWN").write_text("[none] integrity confidentiality\n")
    (machine / "_MODULES").write_text("lockdown,capability,yama")
    (machine / "_STATUS").write_text("Seccomp:\t0\n")
    text = refused()
    assert text.endswith("a policy refuses it: a restriction built into this kernel")


def test_where_the_kernel_does_not_tell_that_is_said(machine: Path) -> None:
    assert "/sys/kernel/security, which would tell, is not mounted" in refused()


def test_the_limit_on_memory_is_blamed_only_where_memory_is_taken(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusal.memlock, "exhausted", lambda: "the limit")
    assert "the limit" not in refused()
    assert refused(charged=True).endswith("; the limit")


def test_a_setting_is_named_where_it_decides(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusal, "effective_capabilities", lambda: 0)
    assert "unprivileged" not in refused(open_to_all=True)
    (machine / "_UNPRIVILEGED").write_text("2\n")
    assert "kernel.unprivileged_bpf_disabled is 2" in refused(open_to_all=True)
    assert "unprivileged" not in refused()


def test_what_some_kernels_want_besides_is_asked_for_last(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*held: str) -> str | None:
        bits = sum(1 << CAPABILITIES[name] for name in held)
        monkeypatch.setattr(refusal, "effective_capabilities", lambda: bits)
        return refusal.refusal(
            errno.EACCES, "opening", needs=("CAP_PERFMON",), denials=(errno.EACCES,),
            beyond="CAP_SYS_ADMIN",
        ).capability  # fmt: skip

    assert missing() == "CAP_PERFMON"
    assert missing("CAP_PERFMON") == "CAP_SYS_ADMIN"
    assert missing("CAP_SYS_ADMIN") is None


LOGS = (
    "R7 has unknown scalar with mixed signed bounds, pointer arithmetic prohibited for !root",
    "R0 leaks addr as return value",
    "R1 pointer comparison prohibited",
    "'struct sk_buff' access is allowed only to CAP_PERFMON and CAP_SYS_ADMIN",
    "unknown func bpf_get_current_task#35",
    "program of this type cannot use helper bpf_probe_read_kernel#113",
)


@pytest.mark.parametrize("log", LOGS)
def test_a_verifier_that_wants_a_capability(
    log: str, machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert verifier_rights.lacking(log) is None  # nothing is missing: the program is at fault
    monkeypatch.setattr(verifier_rights, "effective_capabilities", lambda: 1 << 39)
    right = verifier_rights.lacking(log)
    assert right is not None
    assert right.capability == "CAP_PERFMON"
    assert verifier_rights.lacking("unknown func bpf_loop#181") is None


def test_lockdown_takes_the_kernels_memory_from_everybody(machine: Path) -> None:
    log = "unknown func bpf_probe_read_kernel#113"
    (machine / "_LOCKDOWN").write_text("none [integrity] confidentiality\n")
    assert verifier_rights.lacking(log) is None
    (machine / "_LOCKDOWN").write_text("none integrity [confidentiality]\n")
    right = verifier_rights.lacking(log)
    assert right is not None
    assert "kernel lockdown (confidentiality)" in right.hint
    assert not right.capability
