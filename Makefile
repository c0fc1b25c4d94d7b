# make demo    a first look: installs the package into .venv, and reads the checkpoints in fixtures/
# make test    the whole suite from nothing, TensorFlow included
# make test-fast    what needs neither TensorFlow nor Keras and is not slow: under a minute
# make fuzz    fuzzes every parser, guided by coverage: RUNS executions for each of TARGETS
# make fuzz-commands    runs every command on FILES changed HDF5 files
# make check   runs ruff, mypy and import-linter, and compares the docs with the code
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The suite runs one process per core, so TensorFlow must not use all cores in each.
TEST_ENV := TF_CPP_MIN_LOG_LEVEL=3 KERAS_BACKEND=tensorflow TF_ENABLE_ONEDNN_OPTS=0 CUDA_VISIBLE_DEVICES=
# pip does not compile an editable install; without this, the first start would be slow.
COMPILE = $(BIN)/python -m compileall -q ckptread

.PHONY: demo test test-fast check format docs fuzz fuzz-commands clean

demo: $(VENV)/.core
	BIN=$(BIN) sh demo.sh

test: $(VENV)/.dev
	$(TEST_ENV) $(BIN)/python -m pytest -n 2 --dist worksteal

test-fast: $(VENV)/.dev
	$(TEST_ENV) $(BIN)/python -m pytest -n 2 --dist worksteal -m 'not tensorflow and not keras and not slow'

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python docs/make.py --check

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.dev
	$(BIN)/python docs/make.py

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.core: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	$(COMPILE)
	touch $@

# pip before 25.1 does not support dependency groups, so upgrade it, in this environment only.
$(VENV)/.dev: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e . --group test --group check
	$(COMPILE)
	touch $@ $(VENV)/.core

RUNS ?= 600000
TARGETS ?=

fuzz: $(VENV)/.dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --group fuzz
	$(BIN)/python -m tests.fuzz $(TARGETS) --runs $(RUNS) --corpus .fuzz

FILES ?= 1000

fuzz-commands: $(VENV)/.dev
	$(BIN)/python -m tests.fuzz.commands --runs $(FILES)

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
