"""Print each TCP connection that is opened over IPv4, at a function of the kernel.

$ sudo python examples/kprobe.py                # -p PID: by one process only; Ctrl-C ends it
curl 4242 connects to 151.101.2.132 port 443
"""

from pyebpf import Const, Ptr, comm, ipv4, kprobe, ntohs, tgid
from pyebpf.cli import run
from pyebpf.kernel import sock

AF_INET = 2
pid = Const(0, "-p", "--pid", help="only this process")


@kprobe("tcp_connect")
def connects(sk: Ptr[sock]) -> None:
    if sk.__sk_common.skc_family == AF_INET and pid in (0, tgid()):
        to, port = ipv4(sk.__sk_common.skc_daddr), ntohs(sk.__sk_common.skc_dport)
        print(f"{comm()} {tgid()} connects to {to} port {port}")


if __name__ == "__main__":
    run(connects, header="Tracing... Hit Ctrl-C to end.")
