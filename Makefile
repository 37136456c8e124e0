# make course   open the course in JupyterLab          make test    run everything that CI runs
# make build    rebuild the notebooks from sources     make wheel   a wheel, for Colab
PYTHON ?= python3
BIN := .venv/bin
LAB_ARGS ?=
OLDEST := keras==3.13.2 tensorflow==2.20.0 tensorboard==2.20.0

.PHONY: course test lint build wheel test-oldest tpu-check clean

course: .venv/course
	$(BIN)/python tools/open_course.py $(LAB_ARGS)

# The lanes: everything on TensorFlow; two replicas in a process of their own; JAX.
test: .venv/dev lint
	$(BIN)/python tools/build_notebooks.py --check
	$(BIN)/python -m pytest -q -n 2 tests/replicas
	KERAS_BACKEND=jax $(BIN)/python -m pytest -q -n 2 -m any_backend tests
	KERAS_BACKEND=jax $(BIN)/python tools/run_on_jax.py
	$(BIN)/python -m pytest -q -n 2

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

build: .venv/dev
	$(BIN)/python tools/build_notebooks.py

wheel: .venv/dev
	$(BIN)/python -m build --wheel --outdir dist .

# The oldest versions that are supported, in an environment of their own.
test-oldest: .venv-oldest/dev
	.venv-oldest/bin/python -m pytest -q -n 2 tests coursekit
	.venv-oldest/bin/python -m pytest -q -n 2 tests/replicas

# What the TPU's compiler takes, asked on a CPU; and the lessons that run without TensorFlow.
tpu-check: export KERAS_BACKEND = jax
tpu-check: export JAX_PLATFORMS = cpu
tpu-check: .venv-tpu/dev
	.venv-tpu/bin/python -m pytest -q tests/tpu
	.venv-tpu/bin/python tools/run_on_jax.py

.venv/course: pyproject.toml constraints.txt
	$(call venv,.venv)
	.venv/bin/python -m pip install -q -c constraints.txt -e ".[course]"
	@touch $@

.venv/dev: pyproject.toml constraints.txt
	$(call venv,.venv)
	.venv/bin/python -m pip install -q -c constraints.txt -e ".[dev]"
	@touch $@ .venv/course

.venv-oldest/dev: pyproject.toml constraints.txt
	$(call venv,.venv-oldest)
	sed -E '/^(keras|tensorflow|tensorboard)==/d' constraints.txt > .venv-oldest/constraints.txt
	.venv-oldest/bin/python -m pip install -q -c .venv-oldest/constraints.txt -e ".[dev]" $(OLDEST)
	@touch $@

.venv-tpu/dev: pyproject.toml constraints.txt constraints-tpu.txt
	$(call venv,.venv-tpu)
	.venv-tpu/bin/python -m pip install -q -c constraints-tpu.txt -e ".[tpu-check]"
	@touch $@

# Make an environment; where Debian's python3-venv is missing, say so in a sentence.
define venv
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	{ echo "The course needs Python 3.11 or newer: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	{ echo "Python cannot make environments yet: sudo apt install python3-venv"; exit 1; }
@test -x $(1)/bin/python || { echo "Setting up $(1) (a few minutes, once) ..."; $(PYTHON) -m venv $(1); }
endef

clean:
	rm -rf .venv .venv-oldest .venv-tpu build dist
