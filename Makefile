# Every target installs what it needs first, again when pyproject.toml or its constraints changed.
#   make test PYTHON=python3.13 VENV=../venv-3.13     another interpreter, another place
#   make test ARGS='-k retry -x'                      arguments for pytest

VENV   ?= .venv
EXTRAS ?= dev
CONSTRAINTS ?= constraints.txt
# The environment of other people's queues, which need other versions of what the rest needs.
RELEASED_VENV ?= .venv-released
# The environment of trio's oldest supported release, and of the newest anyio that runs on that.
OLDEST_VENV ?= .venv-oldest-trio
OLDEST_TRIO := $(shell sed -n 's/^trio = \["trio>=\(.*\)"\]/\1/p' pyproject.toml)
ANYIO_OF_OLDEST_TRIO := 4.7.0
ARGS   ?=
# How many orders of each library `make test-libraries` replays.
LIBRARY_SEEDS ?= 100
# The oldest releases that the pytest plugin works with, and a Python that they install on.
PLUGINS_VENV ?= .venv-oldest
OLDEST_PYTHON ?= python3.11

# Tests that run pytest, or whole servers, within their process: in one of their own, so that nothing is left in it by others.
# ARGS may leave none of a pass (exit code 5), which is no failure; and where ARGS names tests, there is one pass, of those.
APART := tests/surfaces tests/world/libraries
NAMED := $(filter tests/%,$(ARGS))
define each_apart
	@for folder in $(if $(NAMED),,$(APART)); do \
		echo "$(PY) -m pytest $$folder $(ARGS)"; \
		$(PY) -m pytest $$folder $(ARGS) || [ $$? -eq 5 ] || exit 1; \
	done
endef

# What looks at sources, or repeats at length what shorter tests show: once, on one Python, is enough.
SAME_EVERYWHERE := $(addprefix --ignore=tests/,tidy benchmarks quality failure_modes/test_guardrails.py) \
	$(addprefix --ignore-glob=tests/failure_modes/test_,prevent_* recover_*)

# What lies closest to the interpreter: enough on a Python between two on which the rest passes.
CORE := $(addprefix tests/,model engine deciders drivers world checks)

ifndef PYTHON
PYTHON := $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
endif

PY    := $(VENV)/bin/python
# Named after the interpreter, so that asking for another one makes the environment anew.
STAMP := $(VENV)/.synced-$(EXTRAS)-$(subst /,_,$(PYTHON))

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help sync demo test test-portable test-core test-libraries test-browser sync-oldest test-oldest sync-released test-released test-oldest-trio check docs bench bench-quick clean

help:  ## print the targets
	@awk -F ':.*## ' '/^[a-z0-9%-]+:.*## / { sub("%", "N", $$1); printf "  make %-15s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

sync: $(STAMP)  ## make .venv and install everything for development

$(STAMP): pyproject.toml $(CONSTRAINTS)
	$(if $(PYTHON),,$(error faultloop needs Python 3.11 or newer. None answers here: install one, or name it with PYTHON=...))
	@test -f $@ || $(PYTHON) -m venv --clear $(VENV)
	@echo "installing into $(VENV) ..."
	@# Not compiled ahead: most modules of what is installed are never imported.
	@$(PY) -m pip install --quiet --no-compile --disable-pip-version-check -c $(CONSTRAINTS) -e '.[$(EXTRAS)]'
	@touch $@

demo: $(STAMP)  ## find a failure in a broken queue, replay it, show the guarded queue holding
	@$(PY) examples/demo.py

test: $(STAMP)  ## run all tests but those in a browser and of released queues
	$(PY) -m pytest $(if $(NAMED),,$(addprefix --ignore=,$(APART))) $(ARGS)
	$(call each_apart)

test-portable: export FAULTLOOP_TEST_PART := 5
test-portable: $(STAMP)  ## the tests without those that come to the same on every Python, and what is repeated at length in part
	$(PY) -m pytest $(if $(NAMED),,$(addprefix --ignore=,$(APART)) $(SAME_EVERYWHERE)) $(ARGS)
	$(call each_apart)

test-core: export FAULTLOOP_TEST_PART := 5
test-core: $(STAMP)  ## the tests of what lies closest to the interpreter, and what is repeated at length in part
	$(PY) -m pytest $(if $(NAMED),,$(CORE) $(addprefix --ignore=,$(APART))) $(ARGS)
	$(call each_apart)

test-libraries: $(STAMP)  ## replay each library on the simulated network in 100 orders instead of 4
	FAULTLOOP_LIBRARY_SEEDS=$(LIBRARY_SEEDS) $(PY) -m pytest tests/world/libraries -k had_again $(ARGS)

test-browser: $(STAMP)  ## open pages in Chromium, which must be there (Debian: apt-get install chromium)
	$(PY) -m pytest -m browser tests/browser $(ARGS)

sync-oldest:  ## make .venv-oldest, with the lowest versions of what the pytest plugin meets
	@$(MAKE) --no-print-directory sync PYTHON=$(OLDEST_PYTHON) VENV=$(PLUGINS_VENV) EXTRAS=plugins CONSTRAINTS=constraints-oldest.txt

# What that pytest does not know in our settings is no failure of anybody's, nor are sockets that old plugins leave open.
test-oldest: sync-oldest  ## test the pytest plugin with the oldest releases that it works with
	$(PLUGINS_VENV)/bin/python -m pytest -o addopts='-ra --import-mode=importlib' -m 'not newest' \
		-W 'ignore:Unknown config option' -W ignore::pytest.PytestUnraisableExceptionWarning tests/surfaces $(ARGS)

sync-released:  ## make .venv-released, with other people's queues in it
	@$(MAKE) --no-print-directory sync VENV=$(RELEASED_VENV) EXTRAS=released CONSTRAINTS=constraints-released.txt

test-released: sync-released  ## show failures of other people's queues, against real servers
	$(RELEASED_VENV)/bin/python -m pytest -m released -n 4 tests/failure_modes/released $(ARGS)

$(OLDEST_VENV).txt: pyproject.toml constraints.txt
	@sed -e 's/^trio==.*/trio==$(OLDEST_TRIO)/' -e 's/^anyio==.*/anyio==$(ANYIO_OF_OLDEST_TRIO)/' constraints.txt >$@

test-oldest-trio: $(OLDEST_VENV).txt  ## what drivers promise, and faults on trio, with trio's oldest supported release
	@$(MAKE) --no-print-directory sync VENV=$(OLDEST_VENV) EXTRAS=test CONSTRAINTS=$(OLDEST_VENV).txt
	$(OLDEST_VENV)/bin/python -m pytest tests/drivers/conformance tests/drivers/test_trio_faults.py $(ARGS)

check: $(STAMP)  ## format, lint, types, the rules of the house, generated docs
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy
	$(PY) -m pyright --project pyproject.toml --pythonpath $(PY)
	$(PY) -m pytest tests/tidy
	$(PY) docs/generate.py --check

test-fm%-fix: $(STAMP)  ## prove that the guardrail of a failure mode holds and that recovery restores the invariant
	$(PY) -m pytest $(foreach proof,prevent recover,tests/failure_modes/test_$(proof)_$(shell printf 'fm%03d' '$*').py) $(ARGS)

test-fm%: $(STAMP)  ## reproduce a failure mode, FM_001 with test-fm1
	$(PY) -m pytest tests/failure_modes/test_repro_$(shell printf 'fm%03d' '$*').py $(ARGS)

docs: $(STAMP)  ## write the generated docs again
	$(PY) docs/generate.py

bench: $(STAMP)  ## print every table of docs/benchmarks.md, which takes hours: make bench ARGS='--only loop,bugs'
	$(PY) benchmarks/tables.py $(ARGS)

bench-quick: $(STAMP)  ## less of each table, in about five minutes
	$(PY) benchmarks/tables.py --quick $(ARGS)

clean:  ## remove all that the other targets made
	rm -rf $(VENV) $(RELEASED_VENV) $(PLUGINS_VENV) $(OLDEST_VENV) $(OLDEST_VENV).txt .faultloop .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
