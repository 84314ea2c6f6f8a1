"""The options that say whose work is traced: who has them, and what they mean."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pyebpf.cli.options import OF_TASKS
from pyebpf.host import cgroups
from pyebpf.lib import filters
from tests.unit.test_every_tool import tool_of

PODS = "kubepods.slice/kubepods-burstable.slice/kubepods-pod1.slice"
WEB, DATA, POD = "a1" * 32, "a2" * 32, "0f" * 32


def test_they_are_those_that_the_frame_names() -> None:
    own = [[flag for flag in const.flags if flag.startswith("--")] for const in filters.FILTERS]  # type: ignore[attr-defined]
    assert [flag for flags in own for flag in flags] == [*OF_TASKS]


def test_a_letter_that_a_tool_uses_otherwise_stays_its_own() -> None:
    spelled = {o.name: o.flags for o in tool_of("execsnoop").command_line().options}
    assert (spelled["tid"], spelled["timestamp"]) == (("--tid",), ("-t", "--timestamp"))
    assert (spelled["pid"], spelled["uid"]) == (("-p", "--pid"), ("-u", "--uid"))


def test_a_tool_may_have_more_letters_of_bcc() -> None:
    spelled = {o.name: o.flags for o in tool_of("trace").command_line().options}
    assert (spelled["tid"], spelled["timestamp"]) == (("-L", "--tid"), ("-t", "--timestamp"))
    assert spelled["cgroup"] == ("-c", "--cgroup", "--cgroup-path")


def test_users_and_names() -> None:
    assert (filters.user("0"), filters.user("root"), filters.user("12345")) == (0, 0, 12345)
    with pytest.raises(ValueError, match="there is no user 'no-such-user'"):
        filters.user("no-such-user")
    assert filters.task_name("a-name-of-many-letters") == "a-name-of-many-"
    with pytest.raises(ValueError, match="not empty"):
        filters.task_name("")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Pretend cgroups of several container programs, and what those write down."""
    root = tmp_path / "cgroup"
    for path in (
        f"system.slice/docker-{WEB}.scope/init.scope",
        f"machine.slice/libpod-{DATA}.scope/container",
        f"machine.slice/libpod-conmon-{'bb' * 32}.scope",
        f"{PODS}/cri-containerd-{POD}.scope",
        f"docker/{'cc' * 32}",
        "lxc/old",
        "lxc.payload.new/system.slice",
        "user.slice/user-1000.slice",
    ):
        (root / path).mkdir(parents=True)
    (root / "cgroup.controllers").touch()
    docker = tmp_path / f"var/lib/docker/containers/{WEB}"
    docker.mkdir(parents=True)
    (docker / "config.v2.json").write_text(json.dumps({"Name": "/web-1"}), encoding="utf-8")
    podman = tmp_path / "var/lib/containers/storage/overlay-containers"
    podman.mkdir(parents=True)
    (podman / "containers.json").write_text(
        json.dumps([{"id": DATA, "names": ["data"]}]), encoding="utf-8"
    )
    logs = tmp_path / "var/log/containers"
    logs.mkdir(parents=True)
    (logs / f"shop-7d_default_api-{POD}.log").touch()
    monkeypatch.setattr(cgroups, "mount", lambda: str(root))
    listed = cgroups.containers
    monkeypatch.setattr(cgroups, "containers", lambda where: listed(where, str(tmp_path)))
    return root


def test_containers_are_found_by_the_names_of_their_cgroups(machine: Path) -> None:
    found = {(each.id[:4], each.name) for each in cgroups.containers(str(machine))}
    assert found == {
        ("a1a1", "web-1"), ("a2a2", "data"), ("0f0f", "shop-7d_default_api"), ("cccc", ""),
        ("", "old"), ("", "new"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("web", f"system.slice/docker-{WEB}.scope"),
        ("a2a", f"machine.slice/libpod-{DATA}.scope"),
        ("shop", f"{PODS}/cri-containerd-{POD}.scope"),
        ("new", "lxc.payload.new"),
    ],
)  # fmt: skip
def test_a_container_by_what_its_id_or_name_begins_with(
    machine: Path, text: str, path: str
) -> None:
    assert cgroups.container_id(text) == (machine / path).stat().st_ino


def test_no_container_or_several(machine: Path) -> None:
    with pytest.raises(ValueError, match=r"^'a' may be a1a1a1a1a1a1 web-1 or a2a2a2a2a2a2 data$"):
        cgroups.container_id("a")
    with pytest.raises(ValueError, match="begins with 'mail'; there are: 0f0f0f0f0f0f shop-7d"):
        cgroups.container_id("mail")
    with pytest.raises(ValueError, match="begins with ''"):
        cgroups.container_id("")


def test_a_cgroup_by_its_path(machine: Path) -> None:
    there = machine / "user.slice"
    (there / "cgroup.controllers").touch()
    number = there.stat().st_ino
    for path in ("user.slice", "/user.slice", str(there)):
        assert cgroups.cgroup_id(path) == number
    with pytest.raises(ValueError, match=r"there is no cgroup 'no\.slice' in /"):
        cgroups.cgroup_id("no.slice")
    with pytest.raises(ValueError, match="there is no cgroup '/etc'"):
        cgroups.cgroup_id("/etc")  # a directory that is none


def test_a_machine_without_cgroups(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text("proc /proc proc rw 0 0\ncgroup /sys/fs/cgroup/cpu cgroup rw 0 0\n")
    with pytest.raises(ValueError, match="no cgroup2 is mounted"):
        cgroups.mount(str(mounts))
    mounts.write_text("cgroup2 /sys/fs/my\\040cgroup cgroup2 rw,nosuid 0 0\n")
    assert cgroups.mount(str(mounts)) == "/sys/fs/my cgroup"
