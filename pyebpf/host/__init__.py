"""Facts about this machine that tools need: CPUs, disks, symbols, processes."""
