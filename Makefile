# `make demo` and `make test` need nothing but Python 3.11 to 3.13 and, for the native kernels, a C++ compiler, for the
# explorer page Node 20.19 or newer.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: help demo gallery docs test test-gpu check clean

help: ## list what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(STAMP) ## install into .venv, forecast the CO2 over Mauna Loa, write out/demo/
	$(BIN)/unrolled sample co2 -o out/demo/co2.csv
	$(BIN)/unrolled forecast out/demo/co2.csv -h 52 --level 80 --level 95 -o out/demo

gallery: $(STAMP) ## write every figure to out/gallery/
	$(BIN)/python docs/gallery.py

docs: $(STAMP) ## build the documentation into out/docs/; a warning is an error
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --group docs
	$(BIN)/python -m sphinx -W --keep-going --doctree-dir out/doctrees docs out/docs

# A process for each core; each then computes with one thread.
test: $(STAMP) ## run every test, on all processors
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --dist worksteal

test-gpu: $(STAMP) ## run the layers' tests on a CUDA device
	$(BIN)/python -m pytest tests/layers/test_device.py --device cuda

check: $(STAMP) ## check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Made anew when the dependencies, the native kernels or the page change; Python is read from src/ as it stands.
# --group needs pip 25.1, so pip comes first.
PAGE := $(shell find src/unrolled/view/web -type f -not -path '*/node_modules/*' -not -path '*/dist/*' -not -path '*/test/*')
$(STAMP): pyproject.toml constraints.txt CMakeLists.txt $(wildcard cmake/* csrc/*) $(PAGE)
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable . --group dev
	touch $@

clean: ## remove .venv/, out/ and what the documentation is built from
	rm -rf .venv out docs/_made docs/examples
