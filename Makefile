# One environment, .venv, for everything: with what the product needs (demo, ui), and, from the first `make test` on, with
# what tests and linters need besides. Each target does its own set-up on a fresh machine.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin
INSTALL := $(RUN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable
export LEADSCORE_HOME ?= $(CURDIR)/.leadscore

.PHONY: demo test rehearse ui lint clean

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) .
	touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(INSTALL) '.[dev]'
	touch $@

demo: $(VENV)/installed
	$(RUN)/leadscore demo

test: $(VENV)/installed-dev
	$(RUN)/python -m pytest -n 2 --dist worksteal -m "not rehearsal"

# what takes minutes each: the real daemon, a browser, kills, load
rehearse: $(VENV)/installed-dev
	$(RUN)/python -m pytest -m rehearsal

ui: $(VENV)/installed
	$(RUN)/leadscore ui

lint: $(VENV)/installed-dev
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/mypy

clean:
	rm -rf $(VENV) .leadscore
