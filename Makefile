# make lab | test | lint | wheel. A bare clone with Python, Node and make is enough; the environment is .venv, a second call is quick.
PYTHON ?= python3
BIN := .venv/bin
NOTEBOOK ?= 01_click.ipynb
LAB_ARGS ?=
PYTEST_ARGS ?=

BUNDLE := cdwidget/static/annotator.js
JS_SOURCES := $(shell find js/src -type f) $(wildcard js/*.json js/*.mjs js/*.ts)
AS_ROOT := $(if $(filter 0,$(shell id -u)),--allow-root)

.PHONY: lab test test-python test-js lint format wheel env clean
.DEFAULT_GOAL := test

env: .venv/.installed $(BUNDLE)

.venv/.installed: pyproject.toml constraints.txt cdwidget/_version.py
	$(PYTHON) -c 'import sys; sys.version_info >= (3, 10) or sys.exit(f"Python {sys.version.split()[0]} is too old; cdwidget needs 3.10 or newer: make PYTHON=python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	SKIP_JUPYTER_BUILDER=1 $(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,lab]'
	touch $@

js/node_modules/.installed: js/package.json js/package-lock.json
	cd js && npm ci --no-audit --no-fund
	touch $@

$(BUNDLE): js/node_modules/.installed $(JS_SOURCES)
	cd js && npm run build
	touch $@

lab: env
	$(BIN)/jupyter lab $(AS_ROOT) --ServerApp.root_dir=notebooks --LabApp.default_url=/lab/tree/$(NOTEBOOK) $(LAB_ARGS)

test: test-js test-python

test-js: js/node_modules/.installed
	cd js && npm test

# Ray would be started in every process but for loadfile, and so would JupyterLab with a kernel. Those that time frames run alone.
TIMED := tests/ui/test_click.py tests/ui/test_inspector_view.py $(wildcard tests/ui/test_*_speed.py)
test-python: env
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --ignore=tests/ui --numprocesses=auto --maxprocesses=4 --dist=loadfile $(PYTEST_ARGS)
	$(BIN)/python -m pytest $(filter-out $(TIMED),$(wildcard tests/ui/test_*.py)) --numprocesses=2 --dist=loadfile $(PYTEST_ARGS)
	$(BIN)/python -m pytest $(TIMED) $(PYTEST_ARGS)

lint: .venv/.installed js/node_modules/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	cd js && npm run check

format: .venv/.installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

wheel: env
	rm -rf dist
	$(BIN)/python -m build

clean:
	rm -rf .venv js/node_modules cdwidget/static dist
