# make demo   a whole simulated school on this machine      make test   every test
# make check  lint, types, import contracts                 make help   the rest

PYTHON ?= python3
ARGS ?=
BIN := .venv/bin

.PHONY: help demo test check format bench chaos devices metrics constraints clean

help:
	@echo "make demo [ARGS='--duration 30']   run the demo (sets everything up the first time)"
	@echo "make test [ARGS='-k buffer']       run the tests (installs mosquitto and chromium if it may)"
	@echo "make check                         ruff, mypy --strict, import contracts"
	@echo "make chaos                         the long runs of durability and of bad input"
	@echo "make bench                         the benchmarks"
	@echo "make format                        format the code"
	@echo "make devices                       write docs/devices.md from the catalogue"
	@echo "make metrics                       write docs/metrics.md from the table of quantities"
	@echo "make constraints                   pin what is installed now"
	@echo "make clean                         remove the virtual environment and all it made"

demo: .venv/.runtime
	@$(BIN)/campus demo $(ARGS)

# The tests start hundreds of programs: what Python compiled once is kept, whatever the surroundings say.
test: export PYTHONDONTWRITEBYTECODE =
test: .venv/.dev
	@sh tools/test-packages.sh
	$(BIN)/pytest -n 3 $(ARGS)

check: .venv/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/.dev
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: .venv/.dev
	@sh tools/test-packages.sh
	@for script in benchmarks/bench_*.py; do echo; echo "== $$script"; PYTHONPATH=. $(BIN)/python $$script || exit 1; done

chaos: .venv/.dev
	@sh tools/test-packages.sh
	CAMPUS_CHAOS=long $(BIN)/pytest tests/chaos tests/fuzz tests/buffer tests/series --timeout 7200 $(ARGS)

.venv/.runtime: pyproject.toml constraints.txt package-lock.json tools/setup.sh
	@PYTHON=$(PYTHON) sh tools/setup.sh all
	@touch $@

.venv/.dev: pyproject.toml constraints.txt package-lock.json tools/setup.sh
	@PYTHON=$(PYTHON) sh tools/setup.sh all,dev
	@touch .venv/.runtime $@

devices: .venv/.runtime
	$(BIN)/campus profile page > docs/devices.md

metrics: .venv/.runtime
	$(BIN)/campus collector metrics > docs/metrics.md

# Names and versions only: no address of an index.
constraints: .venv/.dev
	$(BIN)/pip freeze --all --exclude-editable | grep -E '^[A-Za-z0-9_.-]+==' | grep -v '^pip==' > constraints.txt

clean:
	rm -rf .venv .demo node_modules collector/web/static/vendor
