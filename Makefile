# make demo   sets everything up and annotates the demo clip
# make test   sets everything up and runs all that must pass: lint, types, tests
# make check  the fast inner loop: lint, types, tests that need no torch
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test check lint clean

demo: $(VENV)/.cpu
	$(BIN)/maskinfer video samples/demo.mp4 -o demo-annotated.mp4

test: $(VENV)/.test lint
	$(BIN)/python -m pytest

check: $(VENV)/.check lint
	$(BIN)/python -m pytest -m "not train"

lint:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(VENV)/bin/pip:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.cpu: pyproject.toml | $(VENV)/bin/pip
	$(BIN)/pip install -e '.[cpu]'
	touch $@

$(VENV)/.check: pyproject.toml | $(VENV)/bin/pip
	$(BIN)/pip install -e '.[cpu,dev]'
	touch $@

$(VENV)/.test: pyproject.toml | $(VENV)/bin/pip
	$(BIN)/pip install -e '.[cpu,train,insightface,dev]'
	touch $@

clean:
	rm -rf $(VENV) build dist demo-annotated.mp4
