# All set-up happens here: each target makes its own virtual environment first, once.
#   make demo    fit, evaluate and sample on GunPoint, a small real dataset that aeon ships
#   make test    the test suite
#   make lint    ruff and mypy
#   make bench   speed, as ratios
# Settings: PYTHON=python3.12, VENV=/elsewhere/venv, JOBS=8 (test processes), RUN=runs/demo.

PYTHON ?= $(firstword $(foreach p,python3 python3.11 python3.12 python3.13 python3.14 python,\
    $(shell $(p) -c 'import sys; sys.version_info >= (3, 11) and print("$(p)")' 2>/dev/null)))
VENV ?= .venv
JOBS ?= 2
RUN ?= runs/demo

BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
READY := $(VENV)/.ready
READY_DEV := $(VENV)/.ready-dev

.PHONY: help setup demo test lint format bench clean

help:
	@sed -n 's/^# \{0,1\}//p' Makefile | head -6

setup: $(READY)

demo: $(READY)
	$(BIN)/ncvqvae fit GunPoint --preset quick --out $(RUN) --overwrite
	$(BIN)/ncvqvae evaluate $(RUN)
	$(BIN)/ncvqvae sample $(RUN) -n 500 --out $(RUN)/samples.npz
	@echo
	@echo "Report:      $(RUN)/report.html"
	@echo "Pictures:    $(RUN)/figures/"
	@echo "Figures:     $(RUN)/metrics.json"
	@echo "New series:  $(RUN)/samples.npz (X and y)"

# One thread a process: with several processes, torch's own threads only get in each other's way.
test: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) $(PYTEST_ARGS)

lint: $(READY_DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY_DEV)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(READY)
	$(BIN)/python benchmarks/run.py

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

# A stamp is touched only after a whole install, so an interrupted one is taken up again.
# Some systems ship Python without ensurepip: there the environment gets its pip from the outer one.
$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; name one with make PYTHON=..." >&2; exit 1; }
	@echo "Making $(VENV) with $(PYTHON)"
	@$(PYTHON) -m venv $(VENV) >/dev/null 2>&1 || { \
	    $(PYTHON) -m venv --clear --without-pip $(VENV) && $(PYTHON) -m pip --python $(BIN)/python install --quiet pip; }

$(READY): pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing ncvqvae and its dependencies into $(VENV)"
	@$(INSTALL) -e '.[test]'
	@touch $@

$(READY_DEV): $(READY)
	@echo "Installing ruff, mypy and type stubs into $(VENV)"
	@$(INSTALL) -e '.[dev]'
	@touch $@
