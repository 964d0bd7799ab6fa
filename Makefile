# make run   set up, then the default benchmark and its tables
# make test  set up, then the tests
PYTHON ?= python3
BIN := .venv/bin
JOBS ?= 2

.PHONY: run test lint bench venv browser clean

run: venv
	$(BIN)/genobench run --models all --suite smoke --seeds 0-2 --jobs $(JOBS) --out runs/smoke

test: venv browser
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist loadgroup -q --benchmark-disable -m "not benchmark_suite"

lint: venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: venv
	$(BIN)/python -m pytest tests/benchmarks -q -m benchmark_suite --benchmark-only

venv: $(BIN)/.installed

$(BIN)/.installed: pyproject.toml .ci/constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint .ci/constraints.txt --editable '.[dev]'
	touch $@

browser:
	@.ci/browser

clean:
	rm -rf .venv build dist *.egg-info runs
