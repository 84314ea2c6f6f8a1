"""What this machine can do, feature by feature, why not, and what to do about it.

Everything is asked afresh, without root too; nothing stays in the kernel.
"""

from pyebpf.doctor.findings import Cause, Finding, Group, Word
from pyebpf.doctor.survey import Survey, survey

__all__ = ["Cause", "Finding", "Group", "Survey", "Word", "survey"]
