# `make run` and `make test` are all one needs; `make help` lists the rest.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help run stop erase test check check-format check-lint check-types check-imports check-templates check-migrations \
	check-translations bench faults screenshots lock install install-dev venv format messages

PYTHON ?=
PORT ?= 8000
ARGS ?=
# Under `python -m` the environment keeps working when the checkout is moved, whatever its path holds.
PY := .venv/bin/python
PIP := $(PY) -m pip --disable-pip-version-check install --quiet --no-input --only-binary :all: --require-hashes
TEMPLATES := templates
export PORT

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

run: install ## start everything and serve on http://localhost:8000 (PORT=8001 for another port) until Ctrl-C
	@exec $(PY) -m leadsys.embedded.run

stop: ## stop a run and the embedded servers of this checkout
	@if [ -x $(PY) ]; then $(PY) -m leadsys.embedded.stop; fi

erase: ## stop them and delete their data, every lead in it
	@if [ -x $(PY) ]; then $(PY) -m leadsys.embedded.stop --erase; fi

test: install-dev ## every test; ARGS="tests/unit -k clock" for some of them
	@exec $(PY) -m pytest -n 3 --dist loadgroup --durations 30 --durations-min 3 $(ARGS)

check: check-format check-lint check-types check-imports check-templates check-migrations check-translations ## everything that needs no database

check-format: install-dev
	$(PY) -m ruff format --check .

check-lint: install-dev
	$(PY) -m ruff check .

check-types: install-dev
	LEADSYS_NO_EMBEDDED=1 $(PY) -m mypy .

check-imports: install-dev
	$(PY) -c "from importlinter.cli import lint_imports_command; lint_imports_command()"

check-templates: install-dev
	$(PY) -m djlint --quiet --lint $(TEMPLATES)
	$(PY) -m djlint --check $(TEMPLATES)

check-migrations: install-dev
	LEADSYS_NO_EMBEDDED=1 $(PY) manage.py makemigrations --check --dry-run

check-translations: install-dev
	$(PY) .ci/check_translations.py

format: install-dev ## put code and templates in order
	$(PY) -m ruff format .
	$(PY) -m ruff check --fix .
	$(PY) -m djlint --quiet --reformat $(TEMPLATES)

messages: install-dev ## collect the texts to translate and compile the translations (needs gettext)
	$(PY) .ci/check_translations.py --write

bench: install-dev ## the promises, measured
	@exec $(PY) -m benchmarks $(ARGS)

faults: install-dev ## fault tests at full size; the campaign's report goes to docs/faults.md
	@LEADSYS_FAULTS=full exec $(PY) -m pytest --capture=no tests/faults $(ARGS)

screenshots: install-dev ## every page in both themes, both languages and on a phone (needs Chromium)
	@exec $(PY) -m tests.screenshots $(ARGS)

lock: install-dev ## requirements*.in to hashed requirements*.txt; ARGS=--upgrade for newer versions
	$(PY) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
		--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" $(ARGS) \
		requirements.in --output-file requirements.txt
	$(PY) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
		--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" $(ARGS) \
		--constraint requirements.txt requirements-dev.in --output-file requirements-dev.txt

install: venv ## the packages that LeadSys runs on
	@cmp -s requirements.txt .venv/installed.txt || { \
		echo "Installing the packages that LeadSys runs on (once, about 120 MB)"; \
		$(PIP) -r requirements.txt && cp requirements.txt .venv/installed.txt; }

install-dev: venv ## those and what a contributor needs besides
	@cmp -s requirements-dev.txt .venv/installed-dev.txt || { \
		echo "Installing the packages that contributors need (once, about 250 MB)"; \
		$(PIP) -r requirements-dev.txt && cp requirements-dev.txt .venv/installed-dev.txt \
		&& cp requirements.txt .venv/installed.txt; }

venv:
	@if $(PY) -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then exit 0; fi; \
	for each in $(PYTHON) python3.11 python3.12 python3.13 python3.14 python3 python; do \
		if "$$each" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then found="$$each"; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
		echo "error: LeadSys needs Python 3.11 or newer; here is $$(python3 --version 2>/dev/null || echo none)." \
			"Install one, or name it: make run PYTHON=/path/to/python3.11" >&2; exit 1; \
	fi; \
	if ! "$$found" -c 'import ensurepip, venv' 2>/dev/null; then \
		echo "error: $$found has no venv. Install it (on Debian and Ubuntu the package is called python3-venv)." >&2; exit 1; \
	fi; \
	if ! "$$found" -m venv --clear .venv; then \
		echo "error: .venv could not be made in $$(pwd). Is there room, and may you write to it?" >&2; exit 1; \
	fi
