# Every target sets up what it needs in .venv; `make help` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
EMULATOR := $(VENV)/emulator/.installed
export GNN_STATE_DIR ?= $(CURDIR)/.gnn
STORY ?= lift

.PHONY: help setup emulator demo test test-all ui check format bench clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(STAMP): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 is needed: install it, or name it with PYTHON=..."; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

# The spatial extension, which the emulator loads, runs in the very DuckDB that it was made for; ours is newer.
$(EMULATOR): $(STAMP)
	rm -rf $(@D)
	version=$$(sed -n 's/^duckdb_extension_spatial==//p' constraints.txt); \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --target $(@D) \
	    duckdb==$$version duckdb_extension_spatial==$$version
	@touch $@

emulator: $(EMULATOR) ## Add what the BigQuery emulator of the tests needs beside .venv's packages

setup: $(STAMP) ## Create .venv with every dependency at its pinned version

demo: $(STAMP) ## Simulate a parts store, run it from gate 1 to the rollout; STORY=lift, null, harm or regression
	$(BIN)/gnn demo --story $(STORY)

test: $(STAMP) ## Run the fast tests (no cloud, no browser, no GPU)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile -m "not emulator and not browser and not k8s and not slow and not real_data"

test-all: $(EMULATOR) ## Run every test that this machine can run
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

ui: $(STAMP) ## Open Dagster on http://localhost:3000
	$(BIN)/gnn ui

check: $(STAMP) ## Lint, types, import rules, Dagster definitions
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/gnn doctor --definitions-only

format: $(STAMP) ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP) ## A quick look: does gate 1 tell planted stores apart? (gnn bench has the others)
	$(BIN)/python -m benchmarks

clean: ## Remove the state directory of the demo
	rm -rf .gnn
