# `make demo` and `make test` need nothing but Python 3.11 or newer and, for the native kernels, a C++ compiler, for the
# explorer page Node 20.19 or newer.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: demo gallery test test-gpu check clean

demo: $(STAMP)
	$(BIN)/unrolled sample co2 -o out/demo/co2.csv
	$(BIN)/unrolled forecast out/demo/co2.csv -h 52 --level 80 --level 95 -o out/demo

gallery: $(STAMP)
	$(BIN)/python docs/gallery.py

# A process for each core; each then computes with one thread.
test: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --dist worksteal

test-gpu: $(STAMP)
	$(BIN)/python -m pytest tests/layers/test_device.py --device cuda

check: $(STAMP)
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

clean:
	rm -rf .venv out
