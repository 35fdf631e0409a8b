# What a checkout can do. `make` alone lists it.
# BAREBOAT_VENV=DIR uses that virtual environment as it is and installs nothing.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := $(if $(BAREBOAT_VENV),$(BAREBOAT_VENV),.venv)
BIN := $(VENV)/bin
RUN_READY := $(if $(BAREBOAT_VENV),,$(VENV)/.run-installed)
DEV_READY := $(if $(BAREBOAT_VENV),,$(VENV)/.dev-installed)
PIP := $(BIN)/python -m pip --quiet --quiet --disable-pip-version-check
WORKERS ?= $(shell n=$$(nproc 2>/dev/null || echo 2); echo $$(( n < 2 ? 2 : n > 4 ? 4 : n )))
COMPILE := $(BIN)/pip-compile --quiet --generate-hashes --allow-unsafe --no-strip-extras --no-header --no-annotate \
	--no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options

.PHONY: help venv demo test test-fast check format bench lock clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

venv: $(DEV_READY)  ## the virtual environment (.venv) with everything the lock files name

demo: $(RUN_READY)  ## Bareboat on http://127.0.0.1:5000 with a throw-away node; Ctrl-C ends all of it
	@exec $(BIN)/python -m app.cli.demo $(DEMO_ARGS)

test: $(DEV_READY)  ## every test; as root it installs the programs they need
	@.ci/programs
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(TEST_ARGS)

test-fast: $(DEV_READY)  ## the tests without sshd, browser and patience
	@$(BIN)/python -m pytest -m "not ssh and not browser and not amqp and not slow" $(TEST_ARGS)

check: $(DEV_READY)  ## lint, format check, import contracts, types
	$(BIN)/ruff check --quiet
	$(BIN)/ruff format --check --quiet
	$(BIN)/lint-imports
	$(BIN)/mypy

format: $(DEV_READY)  ## mend what ruff can mend
	$(BIN)/ruff check --fix --quiet
	$(BIN)/ruff format --quiet

bench: $(DEV_READY) .bench-venv/.installed  ## measure, side by side with other tools; BENCH_ARGS=--quick: a little of it
	@$(BIN)/python -m bench --peers-venv .bench-venv $(BENCH_ARGS)

lock: $(DEV_READY)  ## new lock files from setup.cfg
	CUSTOM_COMPILE_COMMAND="make lock" $(COMPILE) --upgrade --extra dev --output-file requirements-dev.lock setup.cfg
	CUSTOM_COMPILE_COMMAND="make lock" $(COMPILE) --constraint requirements-dev.lock --output-file requirements.lock setup.cfg

clean:  ## remove the virtual environment, caches and the demo's folder; keys/ and the rest of instance/ stay
	rm -rf .venv .bench-venv bench/results build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis instance/demo
	find app tests -name __pycache__ -prune -exec rm -rf {} +

$(VENV)/bin/python:
	@PYTHON="$(PYTHON)" .ci/venv "$(VENV)"

$(VENV)/.run-installed: requirements.lock | $(VENV)/bin/python
	@echo "Installing what Bareboat runs with (requirements.lock)" >&2
	@$(PIP) install --require-hashes -r requirements.lock
	@touch $@

$(VENV)/.dev-installed: requirements-dev.lock setup.cfg | $(VENV)/bin/python
	@echo "Installing what Bareboat runs and is tested with (requirements-dev.lock)" >&2
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/.run-installed

# Other tools, for comparison only, each by itself: one that cannot be installed is reported as absent.
.bench-venv/.installed: bench/requirements-peers.txt
	@echo "Installing the tools that the bench compares with (bench/requirements-peers.txt)" >&2
	@$(PYTHON) -m venv .bench-venv
	@for peer in asyncssh parallel-ssh pyinfra fabric ansible-core; do \
	  .bench-venv/bin/python -m pip --quiet --quiet --disable-pip-version-check install \
	    --constraint bench/requirements-peers.txt $$peer || echo "$$peer cannot be installed: it will be absent" >&2; \
	done
	@touch $@
