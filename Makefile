# make demo   sets everything up and annotates the demo clip
# make test   sets everything up and runs all that must pass: lint, types, tests
# make check  the fast inner loop: lint, types, tests that need no torch
# make docs   builds the documentation into site/; a warning or a broken link is an error
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test check docs constraints lint clean

demo: $(VENV)/.cpu
	$(BIN)/maskinfer video samples/demo.mp4 -o demo-annotated.mp4

test: $(VENV)/.test lint
	$(BIN)/python -m pytest

check: $(VENV)/.check lint
	$(BIN)/python -m pytest -m "not train"

docs: $(VENV)/.docs
	$(BIN)/mkdocs build --strict

# The versions that continuous integration installs, from what `make test` installed here.
constraints: $(VENV)/.test
	head -n 2 constraints.txt > constraints.new
	$(BIN)/pip freeze --exclude-editable >> constraints.new
	mv constraints.new constraints.txt

lint:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(VENV)/bin/pip:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.cpu: pyproject.toml | $(VENV)/bin/pip
	$(BIN)/pip install -e '.[cpu]'
	touch $@

$(VENV)/.docs: pyproject.toml | $(VENV)/bin/pip
	$(BIN)/pip install -e '.[cpu,docs]'
	touch $@

$(VENV)/.check: pyproject.toml | $(VENV)/bin/pip
	$(BIN)/pip install -e '.[cpu,dev]'
	touch $@

$(VENV)/.test: pyproject.toml | $(VENV)/bin/pip
	$(BIN)/pip install -e '.[cpu,train,insightface,dev,docs]'
	touch $@

clean:
	rm -rf $(VENV) .venv-check build dist site demo-annotated.mp4
