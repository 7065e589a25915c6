# All set-up happens here: each target makes its own virtual environment first, once.
#   make demo    fit, evaluate and sample on GunPoint, a small real dataset that aeon ships
#   make test    the test suite
#   make lint    ruff and mypy
#   make bench   speed, as ratios
#   make docs    the site in build/docs, with short trainings; make docs-full with whole ones
#   make dist    wheel and sdist in dist
#   make test-oldest, make test-newest    the suite on the lower bounds, or on the newest releases
#   make audit   known vulnerabilities of the pinned versions, asked of PyPI
#   make first-hour   every command of README and docs as written, in a fresh clone with an environment of its own
#   make faults  kill real processes and read mutated files, for hours: KILLS=120, FILES=100000
# Settings: PYTHON=python3.12, VENV=/elsewhere/venv, JOBS=8 (test processes), RUN=runs/demo.
# TORCH=torch==2.13.0 is what both of these install of torch; TORCH='torch>=2.10' leaves it to pip (or to its lower bound).

PYTHON ?= $(firstword $(foreach p,python3 python3.11 python3.12 python3.13 python3.14 python,\
    $(shell $(p) -c 'import sys; sys.version_info >= (3, 11) and print("$(p)")' 2>/dev/null)))
VENV ?= .venv
CONSTRAINTS ?= constraints.txt
JOBS ?= 2
RUN ?= runs/demo
KILLS ?= 120
FILES ?= 100000
TORCH ?= torch==2.13.0

BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c $(CONSTRAINTS)
READY := $(VENV)/.ready
READY_DEV := $(VENV)/.ready-dev
READY_DOCS := $(VENV)/.ready-docs
AUDIT := .venv-audit/bin/pip-audit

.PHONY: help setup demo test test-oldest test-newest audit faults first-hour lint format bench docs docs-full dist clean

help:
	@sed -n 's/^# \{0,1\}//p' Makefile | head -13

setup: $(READY)

demo: $(READY)
	$(BIN)/ncvqvae fit GunPoint --preset quick --out $(RUN) --overwrite
	$(BIN)/ncvqvae evaluate $(RUN)
	$(BIN)/ncvqvae sample $(RUN) -n 500 --out $(RUN)/samples.npz --overwrite
	@echo
	@echo "Report:      $(RUN)/report.html"
	@echo "Pictures:    $(RUN)/figures/"
	@echo "Metrics:     $(RUN)/metrics.json"
	@echo "New series:  $(RUN)/samples.npz (X and y)"

# One thread a process: with several processes, torch's own threads only get in each other's way.
test: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) $(PYTEST_ARGS)

# Each has an environment of its own; test-oldest's bounds are those of pyproject.toml with >= read as ==.
test-oldest: VENV_OF_BOUNDS := .venv-oldest
test-newest: VENV_OF_BOUNDS := .venv-newest
test-oldest: bounds.oldest.txt
test-newest: bounds.newest.txt
test-oldest test-newest:
	@$(MAKE) --no-print-directory VENV=$(VENV_OF_BOUNDS) CONSTRAINTS=$< test

bounds.oldest.txt: pyproject.toml
	@sed -n '/^dependencies = \[/,/^\]/s/^ *"\([^">]*\)>=\(.*\)",$$/\1==\2/p' $< | grep -v '^torch==' > $@
	@echo '$(TORCH)' >> $@

bounds.newest.txt: pyproject.toml
	@echo '$(TORCH)' > $@

# --strict: a version whose advisories cannot be read counts as a failure, not as a version without any.
audit: $(AUDIT)
	@$(AUDIT) --strict --requirement constraints.txt --no-deps --disable-pip --progress-spinner off || { \
	    echo "audit: not passed. Above is what is vulnerable, or the version whose advisories cannot be read here" >&2; exit 1; }

faults: $(READY)
	PYTHONPATH=. OMP_NUM_THREADS=1 $(BIN)/python tests/faults/kill.py --kills $(KILLS)
	PYTHONPATH=. OMP_NUM_THREADS=1 $(BIN)/python tests/faults/fuzz.py --files $(FILES)

first-hour: $(READY)
	$(BIN)/python tests/docs/first_hour.py $(PAGES)

lint: $(READY_DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY_DEV)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(READY)
	$(BIN)/python benchmarks/run.py

# A warning is an error. Tutorials run while the site is built, several at a time.
docs: $(READY_DOCS)
	OMP_NUM_THREADS=1 $(BIN)/python -m sphinx -W --keep-going -q -j $(JOBS) -b html docs build/docs
	@echo "Site: build/docs/index.html"

docs-full: export NCVQVAE_DOCS := full
docs-full: docs

# The time in the archives is that of the last commit: the same commit gives the same bytes.
dist: $(READY)
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(BIN)/python -m build --outdir dist .

clean:
	rm -rf $(VENV) .venv-oldest .venv-newest .venv-audit bounds.*.txt build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

# A stamp is touched only after a whole install, so an interrupted one is taken up again.
# Some systems ship Python without ensurepip: there the environment gets its pip from the outer one.
$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; name one with make PYTHON=..." >&2; exit 1; }
	@echo "Making $(VENV) with $(PYTHON)"
	@$(PYTHON) -m venv $(VENV) >/dev/null 2>&1 || { \
	    $(PYTHON) -m venv --clear --without-pip $(VENV) && $(PYTHON) -m pip --python $(BIN)/python install --quiet pip; }

$(READY): pyproject.toml $(CONSTRAINTS) | $(BIN)/python
	@echo "Installing ncvqvae and its dependencies into $(VENV)"
	@$(INSTALL) -e '.[test]'
	@echo "Compiling what evaluations need: a minute or two"
	@$(BIN)/ncvqvae doctor --compile > $(VENV)/doctor.txt 2>&1 || cat $(VENV)/doctor.txt
	@touch $@

$(READY_DEV): $(READY)
	@echo "Installing ruff, mypy and type stubs into $(VENV)"
	@$(INSTALL) -e '.[dev]'
	@touch $@

$(READY_DOCS): $(READY)
	@echo "Installing Sphinx and its extensions into $(VENV)"
	@$(INSTALL) -e '.[docs]'
	@touch $@

$(AUDIT):
	@echo "Making .venv-audit with pip-audit"
	@$(MAKE) --no-print-directory VENV=.venv-audit .venv-audit/bin/python
	@.venv-audit/bin/python -m pip install --quiet --disable-pip-version-check 'pip-audit>=2.7'
