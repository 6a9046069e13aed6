# Everything is installed into .venv, which `make clean` removes. Another Python gets an environment of its own:
# make test PYTHON=python3.13 uses .venv-python3.13.

PYTHON ?= python3
VENV ?= .venv$(if $(filter-out python3,$(PYTHON)),-$(notdir $(PYTHON)))
BIN := $(VENV)/bin
# Processes that run tests side by side, each on one core.
WORKERS ?= 2
INSTALL := $(BIN)/python -m pip --disable-pip-version-check install --constraint constraints.txt

.DEFAULT_GOAL := help
# Cases of `make fuzz`, and the seed that they follow from.
CASES ?= 20000
SEED ?= 1

.PHONY: help demo test test-slow fuzz bench docs clean

help:
	@echo "make demo       run the quickstart scenario: a table, and a report in results/quickstart"
	@echo "make test       linter, type checker, manual, and all tests but the slow ones"
	@echo "make test-slow  the slow tests"
	@echo "make fuzz       20,000 inputs that are nearly right: each ends in a result or in one short sentence"
	@echo "make bench      speed, as ratios measured in one run"
	@echo "make docs       the manual, as HTML in site/"
	@echo "make clean      remove the environment and whatever the other targets made"

demo: $(VENV)/.hwsim
	$(BIN)/hwsim run quickstart

test: $(VENV)/.dev docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	OMP_NUM_THREADS=1 $(BIN)/pytest -m "not slow" --numprocesses $(WORKERS) --dist worksteal

test-slow: $(VENV)/.dev
	$(BIN)/pytest -m slow

fuzz: $(VENV)/.dev
	$(BIN)/python -m tests.fuzz --cases $(CASES) --seed $(SEED)

bench: $(VENV)/.bench
	@set -e; for script in $$(grep -l __main__ benchmarks/*.py); do \
		name=$$(basename "$$script" .py); echo "== benchmarks/$$name.py"; $(BIN)/python -m benchmarks."$$name"; \
	done

docs: $(VENV)/.dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

clean:
	rm -rf .venv .venv-* site dist results .pytest_cache .mypy_cache .ruff_cache .hypothesis

# One stamp file for each set of packages: a second `make` installs nothing.
$(VENV)/.hwsim: extras := 
$(VENV)/.dev: extras := [dev,imagenet]
$(VENV)/.bench: extras := [dev,imagenet,bench]

$(VENV)/.hwsim $(VENV)/.dev $(VENV)/.bench: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing hwsim$(extras) into $(VENV); with PyTorch that is about 5.6 GB and takes some minutes."
	$(INSTALL) --editable ".$(extras)"
	@touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "hwsim needs Python 3.11 or newer as $(PYTHON): name another one, as in make test PYTHON=python3.12."; exit 1; }
	$(PYTHON) -m venv $(VENV)
