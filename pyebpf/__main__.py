"""``python -m pyebpf``: see :func:`pyebpf.cli.main`."""

from pyebpf.cli.front import main

raise SystemExit(main())
