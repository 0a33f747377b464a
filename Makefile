# geochange: every target sets up what it needs in .venv and works on a fresh machine with
# Python 3.11+, make and git.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# GDAL, BLAS and dask each bring threads; one per library and process keeps small machines quick.
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow lint format bench samples notebooks clean

help:  ## Show the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(STAMP)  ## Set up and run the main job on data_samples
	$(BIN)/geochange demo --samples data_samples --output out/demo --overwrite

test: $(STAMP)  ## Run the tests
	$(BIN)/python -m pytest -n 2 -m "not slow"

test-slow: $(STAMP)  ## Run the tests that take minutes or need other software
	$(BIN)/python -m pytest -m slow

lint: $(STAMP)  ## Check style, types and architecture
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP)  ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(STAMP)  ## Print speed and memory tables; ARGS="--sizes 10000 --methods cva" for some
	$(BIN)/python tests/benchmarks/speed.py $(ARGS)

samples: $(STAMP)  ## Write data_samples again from its generator
	$(BIN)/python data_samples/generate.py

notebooks: $(STAMP)  ## Execute the notebooks in place
	$(BIN)/python notebooks/execute.py

clean:  ## Remove what the other targets made
	rm -rf $(VENV) out/demo build dist *.egg-info
