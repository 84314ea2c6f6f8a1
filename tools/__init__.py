"""Tracing tools, one module each: ``python -m pyebpf.tools.<name>``.

``python -m pyebpf.tools`` lists them. Each imports public names only, and no other tool.
"""
