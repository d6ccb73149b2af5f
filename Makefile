# Each target sets up .venv first; running any of them twice is safe.
PYTHON ?= python3
# Asked for torch's CPU build only where the configured registry doesn't have it.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
PYTEST_ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet --quiet
INSTALLED := $(VENV)/.installed
PEERS := $(VENV)/peers
PURELIB := import sysconfig; print(sysconfig.get_path("purelib"))
ENGINES := faust hexter liblo-tools puredata-core lua5.4 libsndfile1 dpf-source g++ libfaketime
LARGE_ENGINES := chromium fonts-dejavu-core ardour

.PHONY: install demo test soak bench lint clean engines

install: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "$(PYTHON) is older than 3.11. Install Python 3.11, or name one: make PYTHON=python3.12 …"; exit 1; }
	@echo "Setting up $(VENV) (about two minutes the first time)"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install -c constraints.txt torch setuptools 2>/dev/null || \
		$(PIP) install --retries 1 --timeout 60 --extra-index-url $(TORCH_INDEX) -c constraints.txt torch setuptools || \
		{ echo "No CPU build of torch was found here or at $(TORCH_INDEX). Set TORCH_INDEX to an index that has it."; exit 1; }
	@$(PIP) install --no-build-isolation -c constraints.txt -e '.[test,dev]'
	@if $(BIN)/python -m pip --disable-pip-version-check freeze | grep -i '^nvidia-'; then \
		echo "CUDA packages came in. Remove $(VENV) and set TORCH_INDEX to an index with torch's CPU build."; exit 1; fi
	@touch $@

demo: install
	$(BIN)/sds-bridge demo

# two files at once: most tests wait for daemons, plug-ins and DAWs
test: install engines
	$(BIN)/python -m pytest -q -rs -n 2 --dist loadfile $(PYTEST_ARGS)

# 200,000 broken datagrams twice, five minutes of schemathesis
soak: install
	SDS_BRIDGE_SOAK=100 $(BIN)/python -m pytest -q tests/unit/test_osc_commands.py tests/acceptance/test_soak.py

bench: $(PEERS)/.installed
	$(PEERS)/bin/python -m sds_bridge.benchmarks

# What the benchmark stands beside, on top of .venv and not in it: torchsynth wants an old setuptools, JAX brings much.
# Best effort: what isn't installed is not measured, and the table says so.
$(PEERS)/.installed: $(INSTALLED)
	@echo "Setting up $(PEERS) (600 MB)"
	@$(BIN)/python -m venv $(PEERS)
	@main=$$($(BIN)/python -c '$(PURELIB)'); own=$$($(PEERS)/bin/python -c '$(PURELIB)'); \
		echo "import site; site.addsitedir('$$main')" > "$$own/main.pth"
	@pip="$(PEERS)/bin/python -m pip --disable-pip-version-check --quiet --quiet"; \
		{ $$pip install -c constraints.txt 'sds-bridge[bench]' && $$pip install 'setuptools<81' && touch $@; } || \
		echo "not installed: what the voice would stand beside"

lint: install
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

# The real engines and clients that acceptance tests drive. Best effort: without them those tests are skipped. The large
# ones come after the others, so that a slow mirror costs only them.
engines:
	@for group in "$(ENGINES)" "$(LARGE_ENGINES)"; do \
	missing=; for p in $$group; do dpkg -s $$p >/dev/null 2>&1 || missing="$$missing $$p"; done; \
	if [ -n "$$missing" ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "Installing from Debian:$$missing"; \
		{ timeout 120 apt-get update -qq; DEBIAN_FRONTEND=noninteractive timeout 240 \
			apt-get install -y -qq --no-install-recommends $$missing; } >/dev/null 2>&1 || echo "not installed:$$missing"; \
	elif [ -n "$$missing" ]; then echo "not installed:$$missing"; fi; done

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find sds_bridge tests -name __pycache__ -prune -exec rm -rf {} +
