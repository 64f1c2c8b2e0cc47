# Two commands matter: `make run` and `make test`. Both set up what they need in .venv.
.DEFAULT_GOAL := help
PYTHON ?= python3.11
BIN := .venv/bin
UV_VERSION := 0.13.9
UV := $(BIN)/uv
ROOMS := healthvision fhir_api inference imaging terminology audit store
INSTALL := $(UV) pip install --quiet --python $(BIN)/python
R4_PACKAGE := .cache/hl7.fhir.r4.examples-4.0.1.tgz

.PHONY: help run demo test test-services test-fast keycloak crash fuzz check format lock benchmarks model clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*?## ' $(MAKEFILE_LIST) | awk -F ':.*?## ' '{printf "  \033[1m%-12s\033[0m %s\n", $$1, $$2}'

run: .venv/.run ## Start server and worker, analyse the demo radiograph, keep serving
	@$(BIN)/healthvision demo --keep-serving

demo: .venv/.run ## The same, but end when the report is there (exit code 0 only then)
	@$(BIN)/healthvision demo

test: .venv/.test $(R4_PACKAGE) ## Run all tests (installs torch and the rest of the test environment)
	$(BIN)/pytest -n 2 --dist loadfile

test-services: .venv/.test ## Run the tests of real services and clients; installs them (Debian, npm, Maven), fails where one is absent
	tests/services/install || true
	HEALTHVISION_SERVICES=required $(BIN)/pytest -m services -n 2 --dist loadfile

keycloak: .venv/.test ## Run a real Keycloak for development on loopback, with a realm and demo users, until Ctrl-C
	@tests/services/install keycloak
	@$(BIN)/python -m tests.services.keycloak

crash: .venv/.test ## Kill server and worker at random under load, and print what was lost and doubled
	$(BIN)/pytest -m crash -s tests/crash

fuzz: .venv/.test $(R4_PACKAGE) ## Send 20,000 random requests to a server and print what came back
	FUZZ_REQUESTS=$${FUZZ_REQUESTS:-20000} $(BIN)/pytest -n 0 -s tests/fuzz

check: .venv/.test $(R4_PACKAGE) ## Formatting, lint, types, import rules, generated code, known vulnerabilities
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/bandit -q -c pyproject.toml -r $(ROOMS)
	$(BIN)/python requirements/audit.py
	$(BIN)/pytest -q tests/fhir_api/definitions/test_generated.py

format: .venv/.test ## Format and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: ## Bring requirements/*.lock up to date with pyproject.toml (needs uv)
	uv pip compile -q pyproject.toml --all-extras --generate-hashes --no-emit-index-url --python-version 3.11 --no-header -o requirements/test.lock
	uv pip compile -q pyproject.toml --extra build --generate-hashes --no-emit-index-url --python-version 3.11 --no-header -c requirements/test.lock -o requirements/run.lock

benchmarks: .venv/.test ## Print the benchmark tables (minutes; see docs/benchmarks.md)
	$(BIN)/python -m benchmarks

model: .venv/.test ## Train the chest radiograph model again: make model DATA=DIR
	$(BIN)/python -m inference.training.chest_xray_pneumonia --data $(DATA) --out inference/models/chest_xray_pneumonia

clean: ## Remove the environment and every cache
	rm -rf .venv .cache .demo .mypy_cache .ruff_cache .pytest_cache .hypothesis

.venv/bin/uv:
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

.venv/.run: requirements/run.lock pyproject.toml | .venv/bin/uv
	@echo "Installing (about half a minute) ..."
	@$(INSTALL) --require-hashes -r requirements/run.lock
	@$(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

.venv/.test: .venv/.run requirements/test.lock
	@echo "Installing the test environment with torch (5 GB) ..."
	@$(INSTALL) --require-hashes -r requirements/test.lock
	@touch $@

# The official R4 package is only needed to regenerate and to test against its examples; without npm those tests skip.
$(R4_PACKAGE):
	@mkdir -p .cache
	@if command -v npm >/dev/null; then cd .cache && npm pack --silent hl7.fhir.r4.examples@4.0.1 >/dev/null; \
	else echo "npm is absent: tests that need the official R4 package will skip"; fi
