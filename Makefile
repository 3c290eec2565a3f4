# Every target makes the virtual environment that it needs; a second run finds it ready.
PYTHON ?= python3
HOST   ?= 127.0.0.1
PORT   ?= 3000
MINUTES ?= 30
VENV   := .venv
BIN    := $(VENV)/bin
INSTALL := $(BIN)/python deploy/install.py --quiet --constraint constraints.txt
# One process of pytest a processor, and no more than four: each holds servers and models of its own, some 3 GB. A file's
# tests stay together, and files keep their order, in which the long ones do not come last.
PYTEST_IN_PARALLEL := --numprocesses logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder
MODEL  := $(BENTORANK_MODEL)
# A CPU serves with OpenVINO alone; a GPU needs torch, and so does converting, once, a model that has no OpenVINO files.
EXTRAS  = $(if $(or $(wildcard /dev/nvidia0),$(call unconverted,$(MODEL))),[torch],)
unconverted = $(if $(wildcard $1/openvino/*.xml),,$(filter-out starter,$1))
# What was installed, brackets left out: other extras are another file, so that they are installed too.
SERVE  := $(VENV)/.serve$(subst [,-,$(subst ],,$(EXTRAS)))

# The tests start hundreds of Python processes: what is imported is compiled when it is first used, and kept.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help serve test unit test-browser test-faults test-slow test-families test-gpu test-integrations test-clients test-notebooks test-packages lint format docs bench soak dashboards eval build packages release image image-gpu test-image lock audit clean

help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

serve: $(SERVE) ## Serve the shipped model; make serve PORT=8080 HOST=0.0.0.0 MODEL=folder-or-id
	@$(BIN)/bentorank serve --host $(HOST) --port $(PORT) $(if $(MODEL),--model '$(MODEL)')

test: lint unit ## Check style, types and layers, then run every test

unit: $(VENV)/.test ## Run the tests alone
	$(BIN)/python -m pytest $(PYTEST_IN_PARALLEL) --ignore tests/faults
	@# Some count seconds under load: nothing else runs beside these.
	$(BIN)/python -m pytest tests/faults

test-faults: $(VENV)/.test ## Test what happens when workers are stopped, hang or die over and over (minutes)
	$(BIN)/python -m pytest -m fault tests/faults tests/deploy

test-browser: $(VENV)/.browser ## Test the playground in Debian's Chromium (a minute)
	$(BIN)/python -m pytest -m browser tests/browser

test-slow: $(VENV)/.test $(VENV)/.docs ## Test what else takes long: tuning, calibrating the shipped model, a pod, a real Prometheus, the site
	$(BIN)/python -m pytest -m slow tests

test-families: $(VENV)/.test ## Test every family of models against sentence-transformers (minutes)
	$(BIN)/python -m pytest -m families tests/unit/engines

test-gpu: $(VENV)/.test ## Test what only an NVIDIA GPU runs: packing, CUDA graphs, shared beginnings, compiled layers
	$(BIN)/python -m pytest -m gpu tests/unit/engines

test-integrations: $(VENV)/.test ## Test each framework's package with the lowest and the highest versions that it supports
	@for framework in langchain llama-index haystack; do for versions in lowest highest; do \
		integrations/test-framework $(BIN)/uv $$framework $$versions || exit 1; done; done

test-clients: $(VENV)/.test ## Run the published clients of other APIs, each unmodified
	@for environment in cohere7 cohere6 cohere5 javascript; do \
		tests/integrations/run-clients $(BIN)/uv $$environment || exit 1; done

test-notebooks: $(VENV)/.test ## Run the notebooks, in an environment with every framework
	@integrations/test-notebooks $(BIN)/uv

test-packages: $(VENV)/.test ## Install what make packages has built, in environments of their own, and use it (minutes)
	BENTORANK_PACKAGES=$(abspath dist) $(BIN)/python -m pytest -m 'slow or not slow' \
		tests/packaging/test_wheels.py tests/packaging/test_installed_packages.py

lint: $(VENV)/.test ## Check style, types and layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy $(MYPY_OPTIONS)
	$(BIN)/lint-imports
	$(BIN)/bandit --configfile pyproject.toml --quiet --recursive --severity-level medium src integrations/*/src models/starter/src
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/zizmor --offline --quiet --no-progress --min-severity medium .github/workflows
	$(BIN)/shellcheck deploy/*.sh deploy/compose/make-secrets deploy/image/build deploy/image/build-without-engine \
		deploy/image/slim deploy/image/start

format: $(VENV)/.test ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(VENV)/.docs ## Build the documentation as a site, in build/site, and check its links
	$(BIN)/python -m docs.site

bench: $(VENV)/.test ## Measure throughput against the tutorial baseline
	$(BIN)/python -m benchmarks.throughput

soak: $(VENV)/.test ## Half an hour of mixed load with faults among it: what grows? make soak MINUTES=5
	$(BIN)/python -m benchmarks.soak --minutes $(MINUTES)

dashboards: $(VENV)/.test ## Write the Grafana dashboard anew, after a change of its code
	$(BIN)/python -m deploy.grafana.generate

build: $(VENV)/.test ## Build the Bento, with a list of what its image installs (CycloneDX)
	deploy/make-sbom $(BIN)
	BENTOML_DO_NOT_TRACK=True $(BIN)/bentoml build

packages: $(VENV)-packages/.ready ## Build wheels and sdists of all six distributions into dist/, and check them
	rm -rf dist
	$(VENV)-packages/bin/python -m deploy.packages.build dist
	$(VENV)-packages/bin/twine check --strict dist/*/*

release: ## Write a new version everywhere: make release VERSION=0.2.0
	$(PYTHON) -m deploy.packages.version '$(VERSION)'

image: $(VENV)/.test ## Build the image for a CPU with docker, podman or buildah; make image ENGINE=podman
	BIN=$(BIN) deploy/image/build

image-gpu: $(VENV)/.test ## The same for a GPU
	BIN=$(BIN) deploy/image/build --gpu

test-image: $(VENV)/.test ## Build the image without an engine (Debian's buildah, debootstrap and bubblewrap), and run it
	BIN=$(BIN) deploy/image/build-without-engine build/image-root
	BENTORANK_IMAGE_ROOT=$(abspath build/image-root) $(BIN)/python -m pytest -m image tests/deploy/test_built_image.py

lock: $(VENV)/.test ## Lock what images install, with hashes, after a change of dependencies or constraints
	deploy/make-lock $(BIN)

audit: $(VENV)/.test ## Ask the public advisory service about every locked package; needs a network
	$(BIN)/python deploy/audit deploy/requirements.txt deploy/requirements-gpu.txt

clean: ## Remove the virtual environment and caches
	rm -rf $(VENV) $(VENV)-* .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

$(BIN)/python:
	@echo "creating the virtual environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)

$(SERVE): pyproject.toml constraints.txt models/starter/pyproject.toml | $(BIN)/python
	@echo "installing bentorank$(EXTRAS) (half a minute, with torch a few, once)"
	@$(INSTALL) --editable '.$(EXTRAS)' --editable models/starter
	@touch $@

$(VENV)/.test: pyproject.toml constraints.txt models/starter/pyproject.toml integrations/client/pyproject.toml | $(BIN)/python
	@echo "installing bentorank with everything that its tests need (about a minute, once)"
	@$(INSTALL) 'torch==2.13.0' --editable '.[dev]' --editable models/starter --editable integrations/client
	@touch $(VENV)/.serve $(VENV)/.serve-torch $@

$(VENV)/.docs: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing what builds the site (100 MB, once)"
	@$(INSTALL) --editable '.[docs]'
	@touch $@

$(VENV)/.browser: $(VENV)/.test
	@echo "installing what drives a browser (50 MB, once)"
	@$(INSTALL) --editable '.[browser]'
	@touch $@

# What is published meets no more than this.
$(VENV)-packages/.ready: constraints.txt
	@$(PYTHON) -m venv $(VENV)-packages
	@$(VENV)-packages/bin/python deploy/install.py --quiet --constraint constraints.txt hatchling twine
	@touch $@
