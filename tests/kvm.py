"""A virtual machine of one page, which makes hypercalls and halts.

Source: ``include/uapi/linux/kvm.h`` and ``arch/x86/include/uapi/asm/kvm.h`` of Linux.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import platform
import shutil
import struct
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from fcntl import ioctl
from pathlib import Path

import pytest

_KVM_CREATE_VM, _KVM_CREATE_VCPU, _KVM_GET_VCPU_MMAP_SIZE = 0xAE01, 0xAE41, 0xAE04
_KVM_SET_USER_MEMORY_REGION, _KVM_RUN = 0x4020AE46, 0xAE80
_KVM_GET_SREGS, _KVM_SET_SREGS, _KVM_SET_REGS = 0x8138AE83, 0x4138AE84, 0x4090AE82
_SREGS_SIZE, _EXIT_REASON = 312, 8  # of struct kvm_sregs; the offset in struct kvm_run
_KVM_EXIT_HLT = 5
#: The module for a processor, by what /proc/cpuinfo says of it, and its instruction for hypercalls.
_MODULES = {"svm": ("kvm_amd", b"\x0f\x01\xd9"), "vmx": ("kvm_intel", b"\x0f\x01\xc1")}

#: KVM_HC_VAPIC_POLL_IRQ, which does nothing.
NUMBER = 1


@pytest.fixture
def hypercall() -> Iterator[bytes]:
    """Give the instruction, with KVM loaded for the time of a test; skip where there is none."""
    flags = Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    found = [_MODULES[flag] for flag in _MODULES if flag in flags]
    if platform.machine() != "x86_64" or not found:
        pytest.skip("this processor does not run virtual machines")
    module, instruction = found[0]
    with _loaded(module):
        if not Path("/dev/kvm").exists():
            pytest.skip("there is no /dev/kvm")
        yield instruction


@contextmanager
def _loaded(module: str) -> Iterator[None]:
    modprobe = shutil.which("modprobe", path="/usr/sbin:/sbin")
    was_there = Path("/sys/module", module).exists()
    if not was_there and (modprobe is None or subprocess.call([modprobe, "-q", module])):
        pytest.skip(f"there is no module {module}")
    try:
        yield
    finally:
        if not was_there:
            subprocess.run([modprobe, "-r", module], check=True)


def make_hypercalls(instruction: bytes, times: int) -> None:
    """Run a machine of this process that makes so many hypercalls, and ends."""
    # In 16 bits: mov cx, times; again: mov eax, NUMBER; the hypercall; loop again; hlt
    code = b"\xb9" + struct.pack("<H", times) + b"\x66\xb8" + struct.pack("<I", NUMBER)
    code += instruction + b"\xe2" + struct.pack("b", -len(instruction) - 8) + b"\xf4"
    with ExitStack() as stack:

        def opened(fd: int) -> int:
            stack.callback(os.close, fd)
            return fd

        kvm = opened(os.open("/dev/kvm", os.O_RDWR | os.O_CLOEXEC))
        machine = opened(ioctl(kvm, _KVM_CREATE_VM, 0))
        memory = stack.enter_context(mmap.mmap(-1, mmap.PAGESIZE))
        memory[: len(code)] = code
        place = ctypes.c_char.from_buffer(memory)
        # slot, flags, address in the guest, size, address here
        region = struct.pack("IIQQQ", 0, 0, 0, mmap.PAGESIZE, ctypes.addressof(place))
        del place
        ioctl(machine, _KVM_SET_USER_MEMORY_REGION, region)
        cpu = opened(ioctl(machine, _KVM_CREATE_VCPU, 0))
        size = ioctl(kvm, _KVM_GET_VCPU_MMAP_SIZE, 0)
        run = stack.enter_context(mmap.mmap(cpu, size))
        _begin_at_zero(cpu)
        ioctl(cpu, _KVM_RUN, 0)
        assert struct.unpack_from("I", run, _EXIT_REASON) == (_KVM_EXIT_HLT,)


def _begin_at_zero(cpu: int) -> None:
    """Set the registers: a processor begins elsewhere."""
    special = bytearray(_SREGS_SIZE)
    ioctl(cpu, _KVM_GET_SREGS, special)
    struct.pack_into("QIH", special, 0, 0, 0xFFFF, 0)  # base, limit and selector of cs
    ioctl(cpu, _KVM_SET_SREGS, special)
    # rax to r15, rip, rflags, whose second bit is always set
    ioctl(cpu, _KVM_SET_REGS, struct.pack("18Q", *[0] * 17, 2))
