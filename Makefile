# The only door to the tools; continuous integration and hooks walk through it too.
# Nothing here needs an activated environment.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory --no-builtin-rules

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PY := $(BIN)/python
CODE := $(wildcard services shared cli deploy tools tests)
TYPED := $(foreach folder,$(CODE),$(if $(shell find $(folder) -name '*.py' -print -quit),$(folder)))

# K selects tests by a part of their names: make test-unit K=settings
PYTEST := $(PY) -m pytest $(if $(K),-k '$(K)')
export PYTHONUNBUFFERED := 1

##@ General

.PHONY: help
help: ## Say what there is (this is the default)
	@awk 'BEGIN {FS = ":.*## "; printf "Usage: make \033[36m<target>\033[0m\n"} \
		/^##@ / {printf "\n\033[1m%s\033[0m\n", substr($$0, 5)} \
		/^[a-z][a-z0-9-]*:.*## / {printf "  \033[36m%-17s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(VENV)/.made ## Make the environment and the local control plane (quick when done)
	@$(MAKE) binaries

$(VENV)/.made:
	@if [ -z "$(PYTHON)" ] || ! $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then \
		echo "error: Python 3.11 or newer is needed." >&2; \
		echo "What to do: apt-get install python3.11, or name another: make PYTHON=... setup" >&2; \
		exit 1; \
	fi
	@if ! $(PYTHON) -c 'import venv, ensurepip' 2>/dev/null; then \
		echo "error: $(PYTHON) cannot make virtual environments: its venv module is incomplete." >&2; \
		echo "What to do: apt-get install python3-venv, then run this again." >&2; \
		exit 1; \
	fi
	@echo "[setup] making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.installed: $(VENV)/.made pyproject.toml constraints.txt
	@echo "[setup] installing Mendflow and its tools into $(VENV)"
	@$(PY) -m pip --disable-pip-version-check install --quiet -c constraints.txt -e '.[dev]'
	@echo "[setup] installed"
	@touch $@

# Programs live in a cache outside of the tree, so there is no stamp that could be wrong.
.PHONY: binaries
binaries: $(VENV)/.installed
	@$(PY) -m deploy.local build > /dev/null
	@echo "[setup] the programs of the local control plane are there"

.PHONY: clean
clean: ## Remove everything made in this tree (the cache of programs stays)
	rm -rf $(VENV) build dist out *.egg-info .mypy_cache .ruff_cache .pytest_cache \
		.hypothesis .import_linter_cache .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

##@ Try it

.PHONY: demo
demo: setup ## Run two workflows on real servers (KEEP=1 keeps them up, CONTEXT=name uses yours)
	@$(PY) -m cli.demo $(if $(KEEP),--keep) $(if $(CONTEXT),--context '$(CONTEXT)')

.PHONY: demo-down
demo-down: $(VENV)/.installed ## Stop and remove what KEEP=1 left running
	@$(PY) -m cli.demo down

.PHONY: bench
bench: setup ## Measure throughput and latency against the raw servers
	@$(PY) -m tests.perf.bench

.PHONY: fuzz
fuzz: $(VENV)/.installed ## Try policies that nobody wrote (COUNT=100000 SEED=1)
	@$(PY) -m tests.fuzz.policies --count $(or $(COUNT),100000) --seed $(or $(SEED),1)

##@ Code

.PHONY: fmt
fmt: $(VENV)/.installed ## Format
	@$(BIN)/ruff format $(CODE)
	@$(BIN)/ruff check --fix --quiet $(CODE)

.PHONY: lint
lint: $(VENV)/.installed ## Check format, lint rules and spelling
	@$(BIN)/ruff format --check $(CODE)
	@$(BIN)/ruff check $(CODE)
	@$(BIN)/codespell $(CODE) docs README.md CHANGELOG.md CONTRIBUTING.md Makefile pyproject.toml

.PHONY: type
type: $(VENV)/.installed ## Check types
	@$(BIN)/mypy $(TYPED)

.PHONY: arch
arch: $(VENV)/.installed ## Check the layers
	@$(BIN)/lint-imports

.PHONY: generate
generate: $(VENV)/.installed ## Write again what is generated: CRDs, roles, the list of actions
	@$(PY) -m tools.generate_crds
	@$(PY) -m tools.generate_actions
	@$(PY) -m tools.generate_rbac
	@$(PY) -m tools.generate_admission

.PHONY: verify
verify: $(VENV)/.installed ## Fail when something generated is stale
	@$(PY) -m tools.generate_crds --check
	@$(PY) -m tools.generate_actions --check
	@$(PY) -m tools.generate_rbac --check
	@$(PY) -m tools.generate_admission --check

##@ Tests

.PHONY: test
test: setup ## Run all tests: sets up whatever they need
	@$(PYTEST)

.PHONY: test-unit test-property test-integration test-e2e test-chaos
test-unit: $(VENV)/.installed ## Run the tests that need nothing
	@$(PYTEST) tests/unit
test-property: $(VENV)/.installed ## Run the laws of the core
	@$(PYTEST) tests/property
test-integration: setup ## Run the tests against real servers
	@$(PYTEST) tests/integration
test-e2e: setup ## Run the tests that drive kubectl
	@$(PYTEST) tests/e2e
test-chaos: setup ## Run the tests that break things (SWEEP=all kills at every request of every action)
	@$(PYTEST) tests/chaos

##@ All together

.PHONY: check
check: fmt lint type arch test ## Run this before every commit

# One after the other: the tests' summary has to be the closing line.
.PHONY: ci
ci: setup ## Run what continuous integration runs; a skipped test fails it
	@$(MAKE) lint
	@$(MAKE) type
	@$(MAKE) arch
	@$(MAKE) verify
	@CI=true $(MAKE) test
