"""Draw how large block I/O requests are, on powers of two and linearly, after BCC's bitehist.

sudo python examples/bitehist.py            # all disks, until Ctrl-C
sudo python examples/bitehist.py -d sda     # one disk
"""

from pyebpf import Const, LinearHist, Log2Hist, Ptr, Session, tp_btf
from pyebpf.cli import Tool
from pyebpf.host.disks import dev_of
from pyebpf.kernel import request
from pyebpf.lib.block import bytes_left, disk_dev

only_dev = Const(0, "-d", "--disk", help="trace this disk only", convert=dev_of)
sizes = Log2Hist(unit="kbytes")
sizes_linear = LinearHist(unit="kbytes", slots=1025)


@tp_btf("block_rq_issue")
def on_issue(rq: Ptr[request]) -> None:
    if only_dev and disk_dev(rq) != only_dev:
        return
    sizes.add(bytes_left(rq) // 1024)
    sizes_linear.add(bytes_left(rq) // 1024)


def report(session: Session) -> str:
    return (
        f"log2 histogram\n~~~~~~~~~~~~~~\n{session[sizes].take()}\n\n"
        f"linear histogram\n~~~~~~~~~~~~~~~~\n{session[sizes_linear].take()}"
    )


tool = Tool(__name__, probes=[on_issue], report=report, header="Tracing... Hit Ctrl-C to end.")

if __name__ == "__main__":
    raise SystemExit(tool.main())
