# Two commands for a fresh machine: `make fit` and `make test`. Python 3.10 to 3.13.
PYTHON ?= python3
VENV ?= .venv
FLAGS ?=

.PHONY: fit test lint docs

fit: $(VENV)/installed
	$(VENV)/bin/python -m trainers.fit $(FLAGS)

test: $(VENV)/tested
	$(VENV)/bin/python -m pytest -q -n 3 --dist loadfile

lint: $(VENV)/tested
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy

docs: $(VENV)/documented
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/python -m mkdocs build --strict

$(VENV)/installed: requirements.txt setup.py
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 10) <= v <= (3, 13) else \
	  f"Python 3.10 to 3.13 is needed, {sys.executable} is {sys.version.split()[0]}: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[tools]'
	@touch $@

$(VENV)/tested: $(VENV)/installed
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@

$(VENV)/documented: $(VENV)/installed
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	@touch $@
