"""``python -m pyebpf``: see :func:`pyebpf.cli.main`."""

from pyebpf.cli import main

raise SystemExit(main())
