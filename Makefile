# make study: run the built-in study `digits` and say where its report is.
# make test:  run all tests.        make check: format, lint, types, import contracts, tests.
# make native: build the native part of the sparse runtime in place, after a change to it.
# make sanitize: run the native kernels' tests under AddressSanitizer and UndefinedBehaviorSanitizer.
# make fuzz: change files at random for every reader, MINUTES=1 each; READER=npz for one. A short form is in the tests.
# make docs: build the documentation site into build/site.
# make wheels: build wheels for Linux and an sdist into dist/, and try each wheel in a fresh environment.
# make trackers: run the tests of TensorBoard, MLflow, wandb, Trackio and Optuna, in an environment on top of .venv.
# make emulate: run them for 64-bit ARM under qemu (Debian: g++-aarch64-linux-gnu, qemu-user).
# make emulate-avx512: run those of the AVX-512 unit as well, compiled for AVX2.
# make other PYTHON=python3.12 TORCH=2.10.0 TORCHVISION=0.25.0: run the fast tests on another Python and another torch.
# Everything is installed into .venv; nothing else on the machine is touched.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STUDY ?= digits
CPU_TORCH ?= https://download.pytorch.org/whl/cpu

.DEFAULT_GOAL := help
.PHONY: help study test check docs wheels lint types contracts clusters callbacks trackers format native sanitize fuzz emulate emulate-avx512 other lock clean

help:
	@sed -n '1,12s/^# //p' $(MAKEFILE_LIST)

study: $(VENV)/installed
	$(BIN)/prunus run $(STUDY)

test: $(VENV)/installed-dev
	$(BIN)/python -m pytest --durations=10

check: lint types contracts test

lint: $(VENV)/installed-dev
	$(BIN)/ruff format --check src tests benchmarks tools examples
	$(BIN)/ruff check src tests benchmarks tools examples

types: $(VENV)/installed-dev
	$(BIN)/mypy

contracts: $(VENV)/installed-dev
	$(BIN)/lint-imports

format: $(VENV)/installed-dev
	$(BIN)/ruff format src tests benchmarks tools examples
	$(BIN)/ruff check --fix src tests benchmarks tools examples

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { echo "error: there is no $(PYTHON). Install Python 3.11 or newer, or say which: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: $$($(PYTHON) --version) is too old. Python 3.11 or newer is needed; say which: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "error: $(PYTHON) cannot make virtual environments. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: pyproject.toml requirements.lock | $(BIN)/python
	@echo "installing into $(VENV); torch is large, this takes some minutes" >&2
	@$(BIN)/python tools/cpu_torch.py requirements.lock $(CPU_TORCH)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.lock
	@touch $@

# What the tests of Ray and Slurm need besides Debian's slurm-wlm; without it they are skipped.
clusters: $(VENV)/installed-clusters

$(VENV)/installed-clusters: $(VENV)/installed-dev requirements-clusters.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-clusters.lock
	@touch $@

# What tests of Lightning and of Hugging Face's Trainer and data sets need; without it they are skipped.
callbacks: $(VENV)/installed-callbacks

$(VENV)/installed-callbacks: $(VENV)/installed-dev requirements-callbacks.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-callbacks.lock
	@touch $@

# MLflow and Trackio want older versions of some packages than are locked, so these lie in front of .venv, not in it.
TRACKERS := build/trackers
trackers: $(TRACKERS)/installed
	PYTHONPATH=$(abspath src) OMP_NUM_THREADS=1 $(TRACKERS)/bin/python -m pytest -n 0 -p no:cacheprovider tests/tracking \
		tests/contracts/test_trackers.py tests/sweep/test_tracking.py

$(TRACKERS)/installed: $(VENV)/installed-dev requirements-trackers.lock
	$(PYTHON) -m venv --clear $(TRACKERS)
	@$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' >$$(ls -d $(TRACKERS)/lib/python*/site-packages)/under.pth
	$(TRACKERS)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-trackers.lock
	@touch $@

$(VENV)/installed-docs: $(VENV)/installed-dev requirements-docs.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-docs.lock
	@touch $@

docs: $(VENV)/installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build
	@echo "the site: build/site/index.html"

wheels:
	tools/wheels.sh

# In place beside the sources, where it takes precedence over the installed one.
native:
	@$(BIN)/python -c 'import nanobind' 2>/dev/null || $(BIN)/python -m pip install --quiet --disable-pip-version-check nanobind
	@cmake -S native -B build/native -DPython_EXECUTABLE=$(abspath $(BIN)/python) >/dev/null
	@cmake --build build/native --parallel 2
	@cmake --install build/native --prefix src >/dev/null

sanitize:
	@cmake -S native -B build/sanitize -DPRUNUS_PYTHON=OFF -DPRUNUS_TESTS=ON -DPRUNUS_SANITIZE=ON >/dev/null
	@cmake --build build/sanitize --parallel 2 >/dev/null
	build/sanitize/tests/kernel_tests

# Better with atheris (pip install atheris), which finds inputs that reach new lines. What has grown stays in build/fuzz.
fuzz: $(VENV)/installed-dev
	PYTHONPATH=tests OMP_NUM_THREADS=1 $(BIN)/python -m fuzz --minutes $(or $(MINUTES),1) $(READER)

emulate:
	@cmake -S native -B build/emulate -DPRUNUS_PYTHON=OFF -DPRUNUS_TESTS=ON -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64 \
		-DCMAKE_CXX_COMPILER=aarch64-linux-gnu-g++ >/dev/null
	@cmake --build build/emulate --parallel 2 >/dev/null
	qemu-aarch64 -L /usr/aarch64-linux-gnu build/emulate/tests/kernel_tests

emulate-avx512:
	@cmake -S native -B build/emulate-avx512 -DPRUNUS_PYTHON=OFF -DPRUNUS_TESTS=ON -DPRUNUS_EMULATE_AVX512=ON >/dev/null
	@cmake --build build/emulate-avx512 --parallel 2 >/dev/null
	build/emulate-avx512/tests/kernel_tests

# All else as it is locked; the native module is not built, whose tests are skipped.
OTHER = build/other-$(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')-torch-$(TORCH)
FAST := spec store labels ops prune trace coupling cost/test_formulas.py cost/test_count_layers.py \
	contracts/test_prune_parts.py train/test_pruner.py train/test_grown_and_moved.py \
	test_channels.py test_registry.py test_errors.py test_public_names.py
other:
	@[ -x $(OTHER)/bin/python ] || $(PYTHON) -m venv $(OTHER)
	@sed -e 's/^torch==.*/torch==$(TORCH)/' -e 's/^torchvision==.*/torchvision==$(TORCHVISION)/' requirements.lock >$(OTHER)/locked.txt
	@grep -E '^(execnet|hypothesis|iniconfig|joblib|pluggy|pytest.*|scikit-learn|sortedcontainers|threadpoolctl)==' \
		requirements-dev.lock >>$(OTHER)/locked.txt
	@$(OTHER)/bin/python -m pip install --quiet --disable-pip-version-check -r $(OTHER)/locked.txt
	PYTHONPATH=$(abspath src) $(OTHER)/bin/python -m pytest -n 0 -p no:cacheprovider $(addprefix tests/,$(FAST))

# The pins are those of an environment in which everything passed; what torch itself pins is left to torch.
lock: $(VENV)/installed-dev $(VENV)/installed-clusters $(VENV)/installed-callbacks $(VENV)/installed-docs
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade --upgrade-strategy eager -e '.[dev,ray,slurm,lightning,transformers,datasets,docs]'
	$(BIN)/python tools/lock.py
	$(MAKE) $(TRACKERS)/installed
	$(TRACKERS)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade --upgrade-strategy eager torch==$$($(BIN)/python -c 'import torch; print(torch.__version__)') -e '.[tensorboard,mlflow,wandb,trackio,optuna]'
	$(TRACKERS)/bin/python tools/lock.py trackers

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
