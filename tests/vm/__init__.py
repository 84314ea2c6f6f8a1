"""Other kernels: stock Debian kernels booted under QEMU, with this machine's files in them.

``python -m tests.vm`` is the command; ``kernels.py`` has one row per kernel.
"""
