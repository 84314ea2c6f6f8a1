# Thin on purpose: what these commands do is in scripts/ and in pyproject.toml.
# On a fresh machine with python3 and make: `make demo`, `make test`.

PYTHON ?= python3
PY := .venv/bin/python
PYTEST := $(PY) -m pytest
# Options for pytest: make test ARGS="-k hist -x"
ARGS ?=
# Rows of tests/vm/kernels.py; all of them without any.
KERNEL ?=

.PHONY: help demo test setup system check check-format check-lint check-types check-programs test-unit test-kernel test-vm test-vm-ci \
  kernels-page kinds-page walk-through site pictures bench budgets budgets-kernel notebooks golden dist matrix sizes clean

help:              ## what there is
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1: /p' Makefile

demo:              ## build the environment, run one probe on a loop device, print the histogram
	@$(PYTHON) scripts/environment.py
	@$(PY) examples/demo.py

test: setup system ## install what the tests need, run all of them
	$(PYTEST) $(ARGS)

setup:             ## the environment for development: .venv
	@$(PYTHON) scripts/environment.py test lint frames notebooks package

system:            ## the Debian packages that some tests use (root installs them, others are told)
	@$(PYTHON) scripts/debian.py
	@$(PYTHON) scripts/debian.py browser

check: check-format check-lint check-types check-programs ## all that needs no kernel and runs no tests

check-format: setup
	$(PY) -m ruff format --check .

check-lint: setup
	$(PY) -m ruff check .

check-types: setup
	$(PY) -m mypy

check-programs: setup ## what mypy and pyright say of right and wrong probes
	$(PYTEST) -q tests/typing

test-unit: setup   ## what needs neither root nor a kernel
	$(PYTEST) tests/unit tests/compile tests/typing $(ARGS)

test-kernel: setup system ## what loads programs into the running kernel
	$(PYTEST) tests/kernel tests/tools $(ARGS)

test-vm: setup     ## the kernel tests on other kernels, emulated: make test-vm KERNEL="5.10 6.1" ARGS="-k hist"
	@$(PYTHON) scripts/debian.py vm
	$(if $(KERNEL),,$(PYTEST) -q -m vm tests/vm)
	$(PY) -m tests.vm test $(KERNEL) -- $(ARGS)

test-vm-ci: setup  ## the part of that which each change is tested with
	@$(PYTHON) scripts/debian.py vm
	$(PY) -m tests.vm test --ci

kernels-page: setup ## docs/kernels.md, from a run on all of them
	@$(PYTHON) scripts/debian.py vm
	$(PY) -m tests.vm test --page docs/kernels.md

kinds-page: setup system ## docs/kinds-on-kernels.md: a program of each kind, run here and on all of them
	@$(PYTHON) scripts/debian.py vm
	$(PY) -m tests.vm kinds --page docs/kinds-on-kernels.md

tools-page: setup ## docs/tools.md: the table of tools, measured here, with the hooks of Linux 6.1
	@$(PYTHON) scripts/debian.py vm
	$(PY) scripts/tool_pages.py --vm 6.1 > .tools.md && mv .tools.md docs/tools.md

walk-through: setup ## docs/walk-through.md and tutorial.md: their commands, run again here, with what they print now
	$(PY) scripts/walk_through.py docs/walk-through.md
	$(PY) scripts/walk_through.py docs/tutorial.md

site: ## build/site: all pages, and a reference of the public names
	@$(PYTHON) scripts/environment.py docs
	@$(PY) scripts/build_site.py

beside-page: setup ## docs/beside.md: our tools and their peers on the same workloads, on Linux 6.1
	@$(PYTHON) scripts/debian.py vm
	@$(PYTHON) scripts/debian.py peers
	$(PY) -m tests.vm beside 6.1 --page docs/beside.md

pictures: setup    ## docs/pictures: every drawing, on a light and on a dark page, by a headless Chromium
	@$(PYTHON) scripts/debian.py browser
	$(PY) scripts/pictures.py

bench: setup system ## measure, beside peers, and write docs/benchmarks-report.md unless ARGS choose; nothing here passes or fails
	@$(PYTHON) scripts/debian.py peers
	$(PYTEST) tests/bench -m bench -s $(or $(ARGS),--page docs/benchmarks-report.md)

budgets: setup     ## tests/compile/budgets.txt: instructions and stack of each tool's programs; read the difference before you commit it
	@PYTHONPATH=scripts $(PY) -m tests.compile.budgets

budgets-kernel: setup ## the same, with the types that the tools ask for taken anew from this kernel
	@PYTHONPATH=scripts $(PY) -m tests.compile.budgets --kernel

notebooks:         ## examples/notebooks as they are kept: without what was run
	@$(PYTHON) scripts/notebooks.py

golden: setup      ## rewrite the golden files; read the difference before you commit it
	$(PYTEST) tests/compile --update-golden $(ARGS)

dist: setup        ## dist/: the source archive, and the wheel that is made of it
	$(PY) -m build --outdir dist .

matrix: setup      ## unit and compile tests on each Python, and with the oldest dependencies
	@$(PY) scripts/matrix.py $(ARGS)

sizes: setup       ## lines per function and per file, against the budgets
	@$(PY) scripts/sizes.py

clean:             ## remove what these commands made
	rm -rf .venv .venvs build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
