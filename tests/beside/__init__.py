"""Our tools and those of BCC, libbpf-tools and bpftrace, on one workload at one time.

``python -m tests.vm beside 6.1`` runs all of them in a machine of its own, where they may trace
everything, and says where their counts differ.
"""
