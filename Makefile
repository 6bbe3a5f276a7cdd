# `make` lists the targets. Everything runs in .venv, with the locked packages of requirements/.
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.made
DEPLOY_TOOLS := $(VENV)/deploy
DEPLOY_STAMP := $(DEPLOY_TOOLS)/.made
SERVICES := $(BIN)/python scripts/services.py run
# Six workers and hundreds of commands share the bytecode, whatever the environment says.
export PYTHONDONTWRITEBYTECODE :=
# More of them than processors: they wait for most of their time.
PYTEST := $(BIN)/pytest -n 6 --hypothesis-profile=deep
WITH_SERVERS := tests/contract/brokers tests/contract/stores tests/system \
	--ignore tests/system/fetch --ignore tests/system/cluster
WITH_REDIS := tests/contract/stores tests/system/test_faults.py tests/system/test_outages.py
CODE := $(wildcard taskrunner tests bench scripts)

.DEFAULT_GOAL := help
.PHONY: help venv run run-servers demo check lint format test test-latest test-cluster test-deploy kubernetes fuzz chaos bench screenshots proto lock upgrade clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

venv: $(STAMP) ## make .venv with the locked packages

$(STAMP): requirements/uv.txt requirements/build.txt requirements/dev.txt setup.cfg pyproject.toml scripts/venv.sh
	@scripts/venv.sh $(VENV)
	@touch $@

run: $(STAMP) ## everything in one process, without servers; ARGS="--port 9000" goes to `taskrunner dev`
	@$(BIN)/taskrunner dev $(ARGS)

run-servers: $(STAMP) ## RabbitMQ, Redis, the API and a consumer, all thrown away at Ctrl-C
	@$(SERVICES) -- $(BIN)/python scripts/run_local.py

demo: $(STAMP) ## see tasks succeed, retry and fail, in a quarter of a minute
	@$(BIN)/taskrunner demo

check: lint ## format, lint, types, layers, unit tests: what each commit passes
	$(BIN)/pytest -q tests/unit

lint: $(STAMP) ## the same without the unit tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy $(CODE)
	$(BIN)/lint-imports
	scripts/console_check.sh

format: $(STAMP) ## format the code and mend what ruff can
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

test: $(STAMP) ## every test but the next three, with servers of its own; ARGS="-k name" goes to pytest
	$(SERVICES) --with rabbitmq,redis,postgres -- $(PYTEST) --ignore tests/system/cluster --ignore tests/deploy $(ARGS)

test-latest: $(STAMP) ## what needs servers, on RabbitMQ 4 and Redis 8, then on Valkey 8: 17 minutes
	EVERY_VARIANT=1 $(SERVICES) --version latest --with rabbitmq,redis,postgres -- $(PYTEST) $(WITH_SERVERS) $(ARGS)
	$(SERVICES) --version valkey --with rabbitmq,redis,postgres -- $(PYTEST) $(WITH_REDIS) $(ARGS)
	$(SERVICES) --version latest --with redis -- $(BIN)/pytest tests/system/cluster $(ARGS)

test-cluster: $(STAMP) ## a RabbitMQ cluster and Redis under Sentinels, with nodes that die
	$(BIN)/pytest tests/system/cluster $(ARGS)

test-deploy: $(DEPLOY_STAMP) ## what is in deploy/, by the programs that run it: systemd, Compose, Helm, Prometheus
	PYTHONPATH=$(DEPLOY_TOOLS) $(BIN)/pytest -p no:cloudcoil tests/deploy $(ARGS)

kubernetes: $(DEPLOY_STAMP) ## write deploy/kubernetes from the Helm chart
	PYTHONPATH=$(DEPLOY_TOOLS) $(BIN)/python scripts/kubernetes_manifests.py

$(DEPLOY_STAMP): $(STAMP) requirements/deploy.txt requirements/compose.txt scripts/deploy_tools.sh
	@scripts/deploy_tools.sh $(VENV) $(DEPLOY_TOOLS)
	@touch $@

fuzz: $(STAMP) ## a thousand examples for each property; schemathesis with and without a key, 5,000 gRPC requests; takes long
	$(BIN)/pytest -n 2 --timeout 0 --hypothesis-profile=fuzz -m hypothesis tests/unit tests/flow $(ARGS)
	FUZZ_CASES=25 $(BIN)/pytest -n 2 --timeout 0 tests/flow/api/test_schemathesis.py tests/flow/api/grpc/test_fuzz.py $(ARGS)

chaos: $(STAMP) ## the chaos campaign: a table, and chaos.json; ARGS="--runs 120 --seed 2 --only F17" goes to it
	$(BIN)/python -m tests.system.chaos $(ARGS)

bench: $(STAMP) ## the benchmarks of bench/, with servers of their own
	$(SERVICES) --with rabbitmq,redis,postgres -- $(BIN)/python bench/run.py $(ARGS)
	$(BIN)/python bench/fetch.py --total 5000 --rounds 7

screenshots: $(STAMP) ## pictures of every page of the console, into docs/assets/
	$(BIN)/python tests/browser/screenshots.py docs/assets

proto: $(STAMP) ## write taskrunner/v1 from proto/
	BIN=$(BIN) scripts/proto.sh .

lock: $(STAMP) ## write requirements/*.txt from setup.cfg
	UV=$(BIN)/uv scripts/lock.sh

upgrade: $(STAMP) ## the same, with the newest versions
	UPGRADE=1 UV=$(BIN)/uv scripts/lock.sh

clean: ## remove .venv, caches and build products
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis \
		scripts/npm/node_modules examples/node-worker/node_modules
	find $(CODE) -name __pycache__ -prune -exec rm -rf {} +
