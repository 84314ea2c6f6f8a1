"""Print TCP connections that programs here make over IPv4, after BCC's tcpv4connect.

sudo python examples/tcpv4connect.py             # Ctrl-C ends it
sudo python examples/tcpv4connect.py -p 1234     # by process 1234 only

It looks at the change of the socket's state, which kernels without kprobes can tell too. The other
end has not answered yet.
"""

from pyebpf import Const, Ptr, comm, i32, ipv4, tgid
from pyebpf.cli import run
from pyebpf.kernel import sock
from pyebpf.lib.net import family, remote_port, state_changed

AF_INET, TCP_SYN_SENT = 2, 2
pid = Const(0, "-p", "--pid", help="only this process")


@state_changed()
def connects(sk: Ptr[sock], old: i32, new: i32) -> None:
    if new == TCP_SYN_SENT and family(sk) == AF_INET and pid in (0, tgid()):
        here, there = ipv4(sk.__sk_common.skc_rcv_saddr), ipv4(sk.__sk_common.skc_daddr)
        print(f"{tgid():<7} {comm():<12} {here!s:<16} {there!s:<16} {remote_port(sk)}")


if __name__ == "__main__":
    head = f"{'PID':<7} {'COMM':<12} {'SADDR':<16} {'DADDR':<16} DPORT"
    run(connects, header=head)
