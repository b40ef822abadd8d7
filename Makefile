# make lab | test | torture | lint | docs | wheel. A bare clone with Python, Node and make is enough; the environment is .venv.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
NOTEBOOK ?= 01_click.ipynb
LAB_ARGS ?=
PYTEST_ARGS ?=

BUNDLE := cdwidget/static/annotator.js
JS_SOURCES := $(shell find js/src -type f) $(wildcard js/*.json js/*.mjs js/*.ts)
AS_ROOT := $(if $(filter 0,$(shell id -u)),--allow-root)

.PHONY: lab test test-python test-js test-hosts test-firefox test-lowest chromium firefox torture lint format docs wheel env clean
.DEFAULT_GOAL := test

env: .venv/.installed $(BUNDLE)

# Every step that takes more than a few seconds says what it does.
.venv/.installed: pyproject.toml constraints.txt cdwidget/_version.py
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 10) or sys.exit(f"Python {sys.version.split()[0]} is too old; cdwidget needs 3.10 or newer: make PYTHON=python3.11")'
	@$(PYTHON) tests/support/prerequisites.py libraries
	@echo "Creating the Python environment in .venv. The first time this takes two to three minutes."
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing Python packages (1 of 3): PyTorch ..."
	@$(PIP) torch
	@echo "Installing Python packages (2 of 3): cdwidget and JupyterLab ..."
	@SKIP_JUPYTER_BUILDER=1 $(PIP) --editable '.[lab]'
	@echo "Installing Python packages (3 of 3): tests and linters ..."
	@SKIP_JUPYTER_BUILDER=1 $(PIP) --editable '.[dev]'
	@touch $@

.venv/.docs-installed: .venv/.installed
	@echo "Installing Python packages: MkDocs ..."
	@SKIP_JUPYTER_BUILDER=1 $(PIP) --editable '.[docs]'
	@touch $@

js/node_modules/.installed: js/package.json js/package-lock.json
	@echo "Installing JavaScript packages in js/node_modules ..."
	@cd js && npm ci --no-audit --no-fund
	@touch $@

$(BUNDLE): js/node_modules/.installed $(JS_SOURCES)
	@echo "Building the widget ..."
	@cd js && npm run --silent build
	@touch $@

lab: env
	@echo "Starting JupyterLab with notebooks/$(NOTEBOOK). Press Ctrl+C twice to stop it."
	@$(BIN)/jupyter lab $(AS_ROOT) --ServerApp.root_dir=notebooks --LabApp.default_url=/lab/tree/$(NOTEBOOK) $(LAB_ARGS)

# A missing browser is installed or reported before the first test, not after minutes of tests.
test: chromium test-js test-python

chromium firefox: env
	@$(BIN)/python tests/support/prerequisites.py $@

test-js: js/node_modules/.installed
	cd js && npm test

# One process per test file (loadfile), so that Ray and JupyterLab start in one process only. Tests that measure frame rates run alone.
TIMED := tests/ui/test_click.py tests/ui/test_inspector_view.py $(wildcard tests/ui/test_*_speed.py)
test-python: chromium
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --ignore=tests/ui --ignore=tests/hosts --numprocesses=auto --maxprocesses=4 --dist=loadfile $(PYTEST_ARGS)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(filter-out $(TIMED),$(wildcard tests/ui/test_*.py)) --numprocesses=2 --dist=loadfile $(PYTEST_ARGS)
	$(BIN)/python -m pytest $(TIMED) $(PYTEST_ARGS)

# All attacks for about half an hour on two cores, and a table of them at the end: random ones for TORTURE_S seconds of each kind,
# interrupts at every bytecode, and 10,000 damaged files for each reader.
TORTURE_S ?= 90
torture: .venv/.installed
	OMP_NUM_THREADS=1 CDWIDGET_TORTURE=$(TORTURE_S) $(BIN)/python -m pytest tests/torture tests/test_catalogue_storage.py --timeout=3600 \
		--numprocesses=2 --dist=worksteal $(if $(wildcard /dev/shm/.),--basetemp=/dev/shm/cdwidget-torture) \
		--override-ini=tmp_path_retention_policy=failed $(PYTEST_ARGS)

# One scenario in each program that shows widgets. Not part of `make test`: it installs these programs, and takes about ten minutes.
test-hosts: chromium firefox
	@SKIP_JUPYTER_BUILDER=1 $(PIP) --editable '.[hosts]'
	PYTHONPATH=tests $(BIN)/python -m pytest tests/hosts $(PYTEST_ARGS); status=$$?; $(BIN)/python tests/hosts/table.py; exit $$status

# The page without a kernel in Firefox. Not part of `make test`: it installs Firefox.
test-firefox: firefox
	$(BIN)/python -m pytest tests/ui/test_offline_page_view.py --browser=firefox $(PYTEST_ARGS)

# The Python tests with the lowest versions that pyproject.toml allows, in an environment of its own. Not part of `make test`.
test-lowest: .venv/.installed
	@test -x .venv-lowest/bin/python || $(PYTHON) -m venv .venv-lowest
	@.venv-lowest/bin/python -m pip install --quiet --disable-pip-version-check --requirement constraints-lowest.txt
	@SKIP_JUPYTER_BUILDER=1 .venv-lowest/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@$(BIN)/python -c 'import site; print(site.getsitepackages()[0])' > \
		$$(.venv-lowest/bin/python -c 'import site; print(site.getsitepackages()[0])')/others.pth
	OMP_NUM_THREADS=1 .venv-lowest/bin/python -m pytest --ignore=tests/ui --ignore=tests/hosts $(PYTEST_ARGS)

lint: .venv/.installed js/node_modules/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	cd js && npm run check

format: .venv/.installed js/node_modules/.installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	cd js && npm run format

docs: env .venv/.docs-installed
	$(BIN)/python -m pytest -q tests/test_docstrings.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --clean
	@echo "Open site/index.html, or serve it: $(BIN)/python -m http.server --directory site"

wheel: env
	rm -rf dist
	$(BIN)/python -m build

clean:
	rm -rf .venv .venv-lowest js/node_modules cdwidget/static dist site
