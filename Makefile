# One environment, .venv, for everything. `make demo` and `make test` do all set-up on a fresh machine.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin
export LEADSCORE_HOME ?= $(CURDIR)/.leadscore

.PHONY: demo test rehearse ui lint clean

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(RUN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: $(VENV)/installed
	$(RUN)/leadscore demo

test: $(VENV)/installed
	$(RUN)/python -m pytest -n 2 --dist worksteal -m "not rehearsal"

# what takes minutes each: the real daemon, a browser, kills, load
rehearse: $(VENV)/installed
	$(RUN)/python -m pytest -m rehearsal

ui: $(VENV)/installed
	$(RUN)/leadscore ui

lint: $(VENV)/installed
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/mypy

clean:
	rm -rf $(VENV) .leadscore
