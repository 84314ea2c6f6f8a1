"""Print what virtual machines ask of this host by hypercalls, after BCC's kvm_hypercall.

sudo python examples/kvm_hypercall.py            # Ctrl-C ends it
sudo python examples/kvm_hypercall.py -p 1234    # the machine of process 1234 only

A hypercall is three events: the virtual CPU leaves the guest, KVM does what was asked, the CPU
enters the guest again. The numbers of hypercalls are in include/uapi/linux/kvm_para.h. KVM has to
be loaded, and to run on a processor of Intel or AMD.
"""

from pyebpf import (
    Const,
    Hash,
    TracepointContext,
    comm,
    ktime_get_ns,
    tgid,
    tid,
    tracepoint,
    u32,
    u64,
)
from pyebpf.cli import run

pid = Const(0, "-p", "--pid", help="only the virtual machine of this process")

VMX = 1  # KVM_ISA_VMX of arch/x86/kvm/trace.h: a processor of Intel
VMCALL, VMMCALL = 18, 0x81  # EXIT_REASON_VMCALL of uapi/asm/vmx.h, SVM_EXIT_VMMCALL of svm.h

#: Virtual CPUs, which are threads, in a hypercall.
inside = Hash[u32, bool](max_entries=10_240)


def tell(event: str, number: u64) -> None:
    now = ktime_get_ns()
    seconds, us = now // 1_000_000_000, now // 1_000 % 1_000_000
    print(f"{seconds:>11}.{us:06} {comm():<16} {tgid():<7} {event} {number}")


@tracepoint("kvm:kvm_exit")
def leaves(ctx: TracepointContext) -> None:
    asks = VMCALL if ctx.isa == VMX else VMMCALL
    if ctx.exit_reason == asks and pid in (0, tgid()):
        inside[tid()] = True
        tell("KVM_EXIT reason", ctx.exit_reason)


@tracepoint("kvm:kvm_hypercall")
def asks(ctx: TracepointContext) -> None:
    if tid() in inside:
        tell("HYPERCALL number", ctx.nr)


@tracepoint("kvm:kvm_entry")
def enters(ctx: TracepointContext) -> None:
    if inside.pop(tid()):
        tell("KVM_ENTRY vcpu", ctx.vcpu_id)


if __name__ == "__main__":
    run(leaves, asks, enters, header=f"{'TIME(s)':<18} {'COMM':<16} {'PID':<7} EVENT")
