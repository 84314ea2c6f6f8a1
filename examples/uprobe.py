"""Print each line that is typed into bash: what a function of a program returns.

$ sudo python examples/uprobe.py                # -p PID: into one shell only; Ctrl-C ends it
4242: ls -l
"""

from pyebpf import Const, UserPtr, read_user_str, tgid, u8, uretprobe
from pyebpf.cli import run

pid = Const(0, "-p", "--pid", help="only this shell")


@uretprobe("bash", "readline", pid=pid)
def typed(ret: UserPtr[u8]) -> None:
    if ret:
        print(f"{tgid()}: {read_user_str(ret, 80)}")


if __name__ == "__main__":
    run(typed, header="Tracing... Hit Ctrl-C to end.")
