"""Every block of ``docs/events.md`` is run: probes in user space, the rest on what they sent."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

import pytest

from pyebpf import testing
from pyebpf.dsl.probes import Probe
from pyebpf.recorder import Recorder
from pyebpf.recordings import About
from tests.kernel.running import cell

PAGE = Path(__file__).parents[2] / "docs" / "events.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def page() -> ModuleType:
    return cell("\n".join(BLOCKS), "events.md")


@pytest.fixture
def simulation(page: ModuleType) -> testing.Simulation:
    """Give all probes of the page, after one hit of each."""
    probes = [value for value in vars(page).values() if isinstance(value, Probe)]
    assert len(probes) == 5
    made = testing.run(*probes)
    for name in ("on_open", "on_other_open", "on_short", "on_any"):
        made.fire(getattr(page, name), filename=made.user("/etc/hostname"))
    made.fire(page.on_read, fd=3)
    return made


def test_reading(
    page: ModuleType, simulation: testing.Simulation, capsys: pytest.CaptureFixture[str]
) -> None:
    page.look(simulation)
    assert "/etc/hostname" in capsys.readouterr().out
    page.look_at_both(simulation)
    assert capsys.readouterr().out == "1 opened, 1 read\n[0 1]\n"
    assert simulation[page.short].read()["path"].tolist() == [b"/etc/hostname"]
    assert simulation[page.by_cpu].read()["path"].tolist() == [b"?"]


def test_what_is_lost(
    page: ModuleType, simulation: testing.Simulation, capsys: pytest.CaptureFixture[str]
) -> None:
    simulation[page.opened].read()
    page.how_was_it(simulation)
    assert capsys.readouterr().out.startswith(
        "1 came 0 did not\n0% full now, 0% at most\nopened: 1 "
    )


def test_recording(
    page: ModuleType,
    simulation: testing.Simulation,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = str(tmp_path / "opened.npy")
    stream = simulation[page.opened]
    # Only a session can record; what it writes is written here from what the probes sent.
    with Recorder(
        path, About((("on_open", "tracepoint", ""),), "6.1", "", 0.0), {"opened": stream.shape}
    ) as out:
        out.write("opened", stream.read(), stream.lost)
    page.look_again(path)
    assert "opened: 1 received, 0 lost" in (printed := capsys.readouterr().out)
    assert printed.endswith("/etc/hostname\n")
    page.by_numpy_alone(path)
    assert "pyebpf" not in capsys.readouterr().err
