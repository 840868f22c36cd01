# Each target does its own set-up: a bare clone needs Python 3.10 to 3.12, git, make and a C++ compiler.
.PHONY: help setup demo benchmark benchmark-full test test-long lint format docs clean

# TORCH=2.1.2 PYTHON=python3.10 has an environment of its own.
BIN := $(if $(TORCH),$(shell TORCH=$(TORCH) PYTHON=$(PYTHON) tools/setup_env.sh --folder),.venv)/bin

help:
	@echo 'make demo    synthetic nuScenes: a picture at once, two trainings, a report in work_dirs/demo (CPU, 8 min)'
	@echo 'make benchmark       label efficiency: supervised 100 %, ours with 50 and 10 % of the labels; one seed (CPU)'
	@echo 'make benchmark-full  the same for every recipe, three seeds (many hours)'
	@echo 'make test    the tests on all cores, with coverage; make test-long the long ones (faults, long runs; 40 min)'
	@echo 'make test TORCH=2.1.2 PYTHON=python3.10   the same with another torch, in an environment of its own'
	@echo 'make lint    ruff, codespell and mypy; make format fixes what it can'
	@echo 'make docs    the documentation site in site/, strict, links checked; needs no set-up'
	@echo 'make setup   only the environment in .venv; make clean removes it, the demo and caches, nothing that you trained'

setup:
	@tools/setup_env.sh

demo: setup
	@$(BIN)/python tools/demo.py

benchmark: setup
	@$(BIN)/python projects/LabelEfficiency/run.py supervised:1 ours:0.5 ours:0.1

PARTS := from_scratch without_registration without_completion without_perspective
benchmark-full: setup
	@$(BIN)/python projects/LabelEfficiency/run.py --seeds 0 1 2 supervised:1 supervised:0.5 supervised:0.1 \
	    supervised_from_teacher:1 paper:0.5 paper:0.1 ours:0.5 ours:0.1 $(PARTS:%=ours_%:0.5)

test: setup
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile --cov --cov-report=term tests

test-long: setup
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile -m long tests

lint: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/codespell
	@$(BIN)/mypy

format: setup
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

# In an environment of its own: the site is read from the sources, nothing of the project is imported.
docs: .venv-docs/.complete
	@NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --strict --quiet
	@echo 'open site/index.html, or see it live: .venv-docs/bin/mkdocs serve'

.venv-docs/.complete: requirements/docs.txt
	@$(or $(PYTHON),python3) -m venv .venv-docs
	@.venv-docs/bin/pip install --quiet --disable-pip-version-check -r requirements/docs.txt
	@touch $@

clean:
	rm -rf .venv .venv.lock .venv-torch* .venv-docs site work_dirs/demo data/synthetic_nuscenes *.egg-info .pytest_cache .ruff_cache .mypy_cache .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@echo 'Kept: all other work_dirs and data, which hold what you trained and made.'
