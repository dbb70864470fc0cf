# Everything a person needs: `make nightly`, `make test`, `make check`, `make clean`.
# Each sets up the virtual environment first, and again in no time when it is set up.
SHELL := /bin/bash
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
FIND_PYTHON = for p in "$(PYTHON)" python3 python3.11 python3.12 python3.13; do \
	[ -n "$$p" ] && command -v "$$p" >/dev/null && "$$p" -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; break; }; done

.PHONY: setup nightly test slow proofs check format clean

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	@python=$$($(FIND_PYTHON)); \
	if [ -z "$$python" ]; then echo "whyrec needs Python 3.11 or newer with venv; set PYTHON=/path/to/python3" >&2; exit 2; fi; \
	echo "setting up $(VENV) with $$python (some minutes the first time)"; \
	"$$python" -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade -c constraints.txt pip
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $(READY)

nightly: $(READY)  ## a sample month, end to end, with the report at the end
	@$(BIN)/whyrec demo

test: $(READY)  ## the suite, but for what is slow
	@$(BIN)/python -m pytest

slow: $(READY)  ## the rest of the suite: whole nights, `whyrec up`, the pages in Chromium, PostgreSQL, many made worlds
	@$(BIN)/python -m pytest -m 'slow and not long'

proofs: $(READY)  ## tests of whole nights that take minutes: killed, corrected, backfilled, on a cluster, restored
	@$(BIN)/python -m pytest -m long

check: $(READY)  ## format, lint and types: what CI runs beside the tests
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

format: $(READY)
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

clean:  ## what the commands above made, but not your own var/
	rm -rf $(VENV) var/demo build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
