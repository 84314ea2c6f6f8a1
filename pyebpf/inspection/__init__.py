"""A program from four sides: lines of Python, IR, instructions, and what the verifier knows.

``inspect_subject`` puts them together; what there is not (without root, of an object
of another compiler) is left out.
"""

from pyebpf.inspection.listing import Chunk, Row, Section
from pyebpf.inspection.sides import inspect_subject
from pyebpf.inspection.states import State, states_of
from pyebpf.inspection.subjects import Subject, subject_of_file, subject_of_probes

__all__ = [
    "Chunk",
    "Row",
    "Section",
    "State",
    "Subject",
    "inspect_subject",
    "states_of",
    "subject_of_file",
    "subject_of_probes",
]
