# Everything a contributor does, one target each. `make` alone prints this list.
# PYTHON=python3.12 make setup     chooses the Python that the virtual environment is made with.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory
SHELL := /bin/sh
PYTHON ?=
JOBS ?= 2
BIN := .venv/bin
STAMP := .venv/.stamp
CODE := bigip_sm rotator tests benchmarks setup.py

# Tests change directory, so a path that is relative to here is made absolute once.
ifneq ($(strip $(BIGIP_SM_AS3_SCHEMA)),)
override BIGIP_SM_AS3_SCHEMA := $(abspath $(BIGIP_SM_AS3_SCHEMA))
export BIGIP_SM_AS3_SCHEMA
endif

.PHONY: help
help:  ## Show this list
	@awk 'BEGIN {FS = ":.*## "; print "usage: make TARGET\n"} /^[a-z-]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@printf '\nEach target does its own set-up first: a virtual environment in .venv, and the install into it.\n'

.PHONY: setup
setup: $(STAMP)  ## Make .venv and install the project with its lab and its development tools

$(STAMP): setup.cfg pyproject.toml
	@PYTHON="$(PYTHON)" sh .ci/setup
	@touch $@

.PHONY: demo
demo: $(STAMP)  ## Run the main job on loopback, from gateway.yaml to a signed answer
	@$(BIN)/bigip-sm demo

.PHONY: test
test: $(STAMP) schema-if-ci  ## Check style and types, then run all tests
	@$(MAKE) -j 2 lint compile-if-possible
	@echo "==> tests, $(JOBS) at a time (JOBS=n changes that)"
	@$(BIN)/pytest -q -n $(JOBS) --dist loadfile
	@if $(BIN)/python benchmarks/compiled.py --possible; then $(MAKE) compiled; fi

.PHONY: compile-if-possible
compile-if-possible: $(STAMP)
	@if $(BIN)/python benchmarks/compiled.py --possible; then $(BIN)/python benchmarks/compiled.py; fi

# Compiled code takes types at their word, so it runs the tests of what is compiled once more.
.PHONY: compiled
compiled: $(STAMP)  ## Compile the lab's data plane into build/ and run its tests on that
	@folder=$$($(BIN)/python benchmarks/compiled.py) && \
	export BIGIP_SM_COMPILED=1 PYTHONPATH="$$folder" && \
	echo "==> tests of the compiled data plane, in $$folder" && \
	$(BIN)/pytest -q -n $(JOBS) --dist loadfile tests/lab/tmm tests/e2e/test_any_request.py tests/e2e/test_smuggling.py

.PHONY: lint
lint: $(STAMP)  ## Check style (ruff) and types (mypy --strict)
	@echo "==> ruff"
	@$(BIN)/ruff check $(CODE)
	@$(BIN)/ruff format --check $(CODE)
	@echo "==> mypy"
	@$(BIN)/mypy

.PHONY: format
format: $(STAMP)  ## Put the code into the one style and mend what ruff can mend
	@$(BIN)/ruff check --fix $(CODE)
	@$(BIN)/ruff format $(CODE)

.PHONY: docs
docs: $(STAMP)  ## Write the reference pages that are made from the code
	@$(BIN)/python tests/generated_pages.py

# The ansible package is large and has nothing to do with the project, so it gets an environment of its own.
# From 13 on it may come without F5's modules.
.PHONY: interop
interop: $(STAMP)  ## Drive the lab with f5-sdk and F5's Ansible modules, installed for this alone
	@echo "==> f5-sdk into .venv, Ansible into .venv-interop (a minute or two the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[f5-sdk]'
	@test -x .venv-interop/bin/ansible || { $(BIN)/python -m venv --clear .venv-interop && \
		.venv-interop/bin/python -m pip install --quiet --disable-pip-version-check 'ansible>=9,<13'; }
	@$(BIN)/pytest -q tests/interop

.PHONY: clean
clean:  ## Remove everything that a run leaves behind, .venv included
	rm -rf .venv .venv-interop build dist *.egg-info .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Tests that need F5's AS3 schema skip without it and say why. In CI that would hide a failure.
.PHONY: schema-if-ci
schema-if-ci:
	@if [ -n "$$BIGIP_SM_AS3_SCHEMA" ] && [ ! -r "$$BIGIP_SM_AS3_SCHEMA" ]; then \
		echo "error: BIGIP_SM_AS3_SCHEMA names $$BIGIP_SM_AS3_SCHEMA, which cannot be read" >&2; exit 1; \
	elif [ -n "$$CI" ] && [ "$$CI" != false ] && [ -z "$$BIGIP_SM_AS3_SCHEMA" ]; then \
		echo "error: in CI the schema tests must run: set BIGIP_SM_AS3_SCHEMA to F5's as3-schema-3.56.0.json" >&2; exit 1; \
	fi
