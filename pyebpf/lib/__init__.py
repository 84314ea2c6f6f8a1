"""What tools share: functions for probes, and about what probes saw.

Differences between kernels live here.
"""
