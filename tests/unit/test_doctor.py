"""The doctor's judgement: what an answer means for the one who asks, on machines that pretend."""

from __future__ import annotations

import errno
import json
import resource
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from pyebpf.abi.capability import CAPABILITIES
from pyebpf.cli import doctor as command
from pyebpf.cli import main
from pyebpf.doctor import Finding, Group, Survey, Word, settings
from pyebpf.doctor.findings import Cause
from pyebpf.doctor.judge import judge, needs_of
from pyebpf.doctor.machine import Machine
from pyebpf.doctor.remedies import options_of, patterns
from pyebpf.runtime.answers import Answer, Support
from pyebpf.runtime.feature_table import names

ALL = sum(1 << bit for bit in CAPABILITIES.values())
REFUSED = Answer(Support.UNKNOWN, "loading failed: EPERM: …", errno.EPERM)
UNKNOWN_KIND = Answer(Support.NO, "loading failed: EINVAL: …", errno.EINVAL)


class Pretended(Machine):
    """A machine with the capabilities, the configuration and the files that a test says."""

    def __init__(
        self, root: str = "", held: int = ALL, config: dict[str, str] | None = None, *,
        contained: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(root)
        self.config = config
        self.__dict__["capabilities"] = held
        self.__dict__["is_contained"] = contained

    def option(self, name: str) -> str | None:
        if self.config is None:
            raise LookupError
        return self.config.get(name)


def machine(folder: Path, **files: str) -> Pretended:
    for name, text in files.items():
        place = folder / name.replace("__", "/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return Pretended(str(folder))


def test_yes() -> None:
    found = judge("ringbuf", "ring buffers", Answer(Support.YES), Pretended())
    assert found == Finding("ringbuf", "ring buffers", Word.YES)


def test_a_missing_capability_is_named() -> None:
    found = judge("prog:fentry", "fentry", REFUSED, Pretended(held=0))
    assert (found.word, found.cause) == (Word.CANNOT_TELL, Cause.PRIVILEGE)
    assert found.reason == "EPERM: this process lacks CAP_BPF and CAP_PERFMON"
    assert found.advice.endswith("grant CAP_BPF and CAP_PERFMON")
    some = Pretended(held=1 << CAPABILITIES["CAP_BPF"])
    assert judge("prog:xdp", "xdp", REFUSED, some).reason.endswith("lacks CAP_NET_ADMIN")


def test_a_policy_is_not_a_missing_capability(tmp_path: Path) -> None:
    here = machine(
        tmp_path, sys__kernel__security__lockdown="none integrity [confidentiality]\n",
        sys__kernel__security__lsm="lockdown,capability,apparmor",
        proc__self__status="Seccomp:\t2\n",
    )  # fmt: skip
    found = judge("prog:fentry", "fentry", REFUSED, here)
    assert (found.word, found.cause) == (Word.NO, Cause.POLICY)
    assert found.reason == "EPERM: CAP_BPF and CAP_PERFMON held, so a policy refuses it"
    assert found.advice == (
        "what may refuse it: kernel lockdown is confidentiality (boot with lockdown=none); a "
        "seccomp filter is on this process (run it outside of the container); security modules: "
        "apparmor (look into the audit log)"
    )


def test_a_policy_that_cannot_be_seen(tmp_path: Path) -> None:
    assert "mount -t securityfs" in judge("ringbuf", "", REFUSED, machine(tmp_path)).advice
    open_minded = machine(tmp_path, sys__kernel__security__lockdown="[none] integrity")
    assert "built into this kernel" in judge("ringbuf", "", REFUSED, open_minded).advice


def test_a_container() -> None:
    found = judge("ringbuf", "ring buffers", REFUSED, Pretended(contained=True))
    assert found.cause is Cause.POLICY
    assert found.reason == "EPERM: capabilities held inside a user namespace do not count"


def test_a_kernel_that_is_too_old() -> None:
    found = judge("prog:netkit_peer", "netkit_peer", UNKNOWN_KIND, Pretended())
    assert (found.word, found.cause) == (Word.NO, Cause.KERNEL)
    assert found.reason == "EINVAL: this kernel does not know it"
    assert found.advice == "Linux 6.7 or newer, with CONFIG_NETKIT=y"
    newer = judge("prog:tp_btf.s", "tp_btf.s", UNKNOWN_KIND, Pretended())
    assert newer.advice == "a newer kernel"


def test_a_helper_of_programs_that_there_are_not() -> None:
    found = judge("helper:copy_from_user@syscall", "", UNKNOWN_KIND, Pretended())
    assert found.reason == "this kernel has no syscall programs"
    assert found.advice == "Linux 5.14 or newer"


def test_a_kernel_that_was_built_without() -> None:
    here = Pretended(config={"CONFIG_BPF": "y"})
    found = judge("prog:netkit_peer", "netkit_peer", UNKNOWN_KIND, here)
    assert (found.reason, found.cause) == ("CONFIG_NETKIT is not set", Cause.CONFIGURATION)
    assert found.advice == "a kernel built with CONFIG_NETKIT=y"
    built_in = Pretended(config={"CONFIG_NETKIT": "y"})
    found = judge("prog:netkit_peer", "", UNKNOWN_KIND, built_in)
    assert (found.reason[:6], found.advice) == ("EINVAL", "Linux 6.7 or newer")


def test_what_no_version_of_linux_is_known_for() -> None:
    many = judge("prog:fentry.multi", "", UNKNOWN_KIND, Pretended())
    assert many.advice == "a newer kernel, with CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS=y"
    known = Pretended(config={"CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS": "y"})
    assert judge("prog:fentry.multi", "", UNKNOWN_KIND, known).advice == "a newer kernel"
    asleep = Answer(Support.NO, "__x64_sys_getpgid is not sleepable")
    found = judge("sleepable_functions", "", asleep, Pretended())
    assert found.advice == "a kernel with CONFIG_FUNCTION_ERROR_INJECTION=y"


def test_memory_that_ran_out() -> None:
    answer = Answer(Support.UNKNOWN, "…", errno.ENOMEM)
    found = judge("map:hash", "hash", answer, Pretended())
    assert (found.word, found.cause) == (Word.CANNOT_TELL, Cause.RESOURCE)
    assert found.reason == "ENOMEM: cannot allocate memory"


def test_a_helper_that_lockdown_hides(tmp_path: Path) -> None:
    here = machine(tmp_path, sys__kernel__security__lockdown="none [integrity] confidentiality")
    here.config = {"CONFIG_BPF_EVENTS": "y"}
    answer = Answer(Support.NO, "the kernel has this helper, but not for this kind of program")
    found = judge("helper:probe_write_user", "probe_write_user", answer, here)
    assert (found.word, found.cause) == (Word.NO, Cause.POLICY)
    assert "lockdown is integrity" in found.advice


@pytest.mark.parametrize("feature", names())
def test_what_each_feature_needs_is_known(feature: str) -> None:
    assert set(needs_of(feature)) <= CAPABILITIES.keys()
    assert "CAP_BPF" in needs_of(feature)


def test_every_row_of_options_is_about_a_feature() -> None:
    every = names()
    assert [p for p in patterns() if not any(fnmatchcase(name, p) for name in every)] == []
    assert options_of("prog:sk_lookup") == ()


def lines_of(here: Machine) -> dict[str, Finding]:
    return {each.name: each for each in settings.privileges(here)}


def test_settings_are_told_with_what_they_mean(tmp_path: Path) -> None:
    found = lines_of(machine(
        tmp_path, sys__kernel__security__lsm="capability,landlock",
        proc__sys__kernel__unprivileged_bpf_disabled="0\n",
        proc__sys__kernel__kptr_restrict="2\n", proc__self__status="Seccomp: 2\n",
    ))  # fmt: skip
    assert found["lsm"].advice == "boot with lsm=capability,landlock,bpf to attach @lsm programs"
    assert found["kernel.unprivileged_bpf_disabled"].reason.startswith("0: processes without")
    assert found["kernel.kptr_restrict"].advice.startswith("addresses read as 0")
    assert found["kernel.perf_event_paranoid"].advice == "a kernel with CONFIG_PERF_EVENTS=y"
    assert found["seccomp"].word is Word.FACT


def test_a_paranoid_kernel_hurts_who_lacks_the_capability(tmp_path: Path) -> None:
    here = machine(tmp_path, proc__sys__kernel__perf_event_paranoid="2\n")
    assert lines_of(here)["kernel.perf_event_paranoid"].advice == ""
    here.__dict__["capabilities"] = 0
    advice = lines_of(here)["kernel.perf_event_paranoid"].advice
    assert advice == "grant CAP_PERFMON, or sysctl kernel.perf_event_paranoid=1"


@pytest.mark.parametrize(
    ("charged", "held", "limit", "word", "said"),
    [
        (False, 0, 64, Word.YES, "charged to the cgroup"),
        (None, 0, 64, Word.CANNOT_TELL, "the limit is 64 kB; nobody may ask"),
        (True, ALL, 64, Word.YES, "pyebpf lifts it"),
        (True, 0, None, Word.YES, "and is unlimited"),
        (True, 0, 64, Word.NO, "BPF memory counts here, and the limit is 64 kB"),
    ],
)
def test_locked_memory(
    charged: bool | None, held: int, limit: int | None, word: Word, said: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    soft = resource.RLIM_INFINITY if limit is None else limit << 10
    monkeypatch.setattr(settings.memlock, "is_charged", lambda: charged)
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, soft))
    found = lines_of(Pretended(held=held))["memcg_accounting"]
    assert (found.word, said in found.reason) == (word, True)


def test_mounts(tmp_path: Path) -> None:
    here = machine(
        tmp_path, proc__self__mounts="bpf /sys/fs/bpf bpf rw 0 0\n",
        proc__filesystems="nodev\ttracefs\nnodev\tbpf\n",
    )  # fmt: skip
    found = {each.name: each for each in settings.surroundings(here)}
    assert (found["mount:bpf"].word, found["mount:bpf"].reason) == (Word.YES, "/sys/fs/bpf")
    assert found["mount:tracefs"].advice == "mount -t tracefs tracefs /sys/kernel/tracing"
    assert found["mount:cgroup2"].advice == "a kernel with CONFIG_CGROUPS=y"
    assert found["config"].word is Word.NO


FOUND = Survey(
    (
        Group("Kinds of maps", (
            Finding("map:hash", "hash", Word.YES),
            Finding("map:arena", "arena", Word.NO, "EINVAL: …", "a newer kernel", Cause.KERNEL),
            Finding("map:rhash", "rhash", Word.NO, "EINVAL: …", "a newer kernel", Cause.KERNEL),
            Finding(
                "map:xskmap", "xskmap", Word.NO, "CONFIG_XDP_SOCKETS is not set",
                "a kernel with it", Cause.CONFIGURATION,
            ),
        ), terse=True),
    ),
    False, ("@uprobe",), ("@kprobe",),
)  # fmt: skip


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "survey", lambda _: FOUND)
    monkeypatch.delenv("FORCE_COLOR", raising=False)


def test_the_text(pretended: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 1
    said = capsys.readouterr().out.splitlines()
    assert said[1:] == [
        "",
        "Kinds of maps",
        "  yes  hash",
        "  no   arena, rhash: EINVAL: …; a newer kernel",
        "  no   xskmap: CONFIG_XDP_SOCKETS is not set (1)",
        "",
        "What to do",
        "  (1) a kernel with it",
        "",
        "No tracing program can run here, as far as this process can tell",
    ]
    assert main(["doctor", "-v"]) == 1
    said = capsys.readouterr().out.splitlines()
    assert said[3:6] == [
        "  yes  hash",
        "  no   arena: EINVAL: …; a newer kernel",
        "  no   rhash: EINVAL: …; a newer kernel",
    ]  # fmt: skip


def test_the_data(pretended: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 1
    data = json.loads(capsys.readouterr().out)
    assert (data["tracing"], data["works"], data["fails"]) == (False, ["@uprobe"], ["@kprobe"])
    assert data["groups"][0]["features"] == [
        {"name": "map:hash", "label": "hash", "answer": "yes"},
        {
            "name": "map:arena", "label": "arena", "answer": "no", "reason": "EINVAL: …",
            "advice": "a newer kernel", "cause": "kernel",
        },
        {
            "name": "map:rhash", "label": "rhash", "answer": "no", "reason": "EINVAL: …",
            "advice": "a newer kernel", "cause": "kernel",
        },
        {
            "name": "map:xskmap", "label": "xskmap", "answer": "no",
            "reason": "CONFIG_XDP_SOCKETS is not set", "advice": "a kernel with it",
            "cause": "configuration",
        },
    ]  # fmt: skip


def test_the_exit_status_is_the_verdict(
    pretended: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "survey", lambda _: FOUND.replace(attaching=True))
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[-2:] == ["Tracing programs can run here: @uprobe", "What cannot: @kprobe"]
