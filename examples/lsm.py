"""Let nobody open the files of a name: a program that decides.

$ sudo python examples/lsm.py secret.txt        # Ctrl-C ends it
cat 4242 may not open secret.txt
"""

from pyebpf import Const, Ptr, comm, i32, lsm, tgid
from pyebpf.cli import run
from pyebpf.kernel import file

EPERM = 1
name = Const("secret.txt", "name", help="of the files")


@lsm("file_open")
def opens(file: Ptr[file], ret: i32) -> i32:
    if ret or file.f_path.dentry.d_name.name != name:
        return ret
    print(f"{comm()} {tgid()} may not open {name}")
    return -EPERM


if __name__ == "__main__":
    run(opens, header="Tracing... Hit Ctrl-C to end.")
