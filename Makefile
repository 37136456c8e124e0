# make course   open the course in JupyterLab    make lesson NAME=slug   build and test one lesson
# make build    rebuild what changed             make test               what a change must pass
# make wheel    a wheel, for Colab               make test-all           everything that CI runs
# make site     the website, in build/site
# make class    the same without solutions, for a class
PYTHON ?= python3
COLAB_PYTHON ?= $(shell python3.13 -c 'print("python3.13")' 2>/dev/null || echo $(PYTHON))
BIN := .venv/bin
LAB_ARGS ?=
OLDEST := keras==3.13.2 tensorflow==2.20.0 tensorboard==2.20.0

# Python compiles what is imported, when it is, and keeps that: Keras takes seconds to compile.
INSTALL := pip install -q --no-compile
unexport PYTHONDONTWRITEBYTECODE
PYTEST := $(BIN)/python -m pytest -q -n 2

.PHONY: course test test-rest test-later test-replicas test-jax test-all lesson lint build \
	site wheel wheel-alone class test-oldest tpu-check tpu-strategy-check colab-check clean

course: .venv/course
	$(BIN)/python tools/open_course.py $(LAB_ARGS)

# What a change must pass: style and types, the quick unit tests, `--check`, every solved notebook.
test: lint
	$(BIN)/python tools/build_notebooks.py --check
	$(PYTEST) -m "not slow" tests coursekit notebooks/solutions

# The rest: tests marked `slow`, and untouched notebooks; two replicas; JAX.
test-rest: test-later test-replicas test-jax

test-later: .venv/dev
	$(PYTEST) -m slow tests
	$(PYTEST) notebooks --ignore=notebooks/solutions

test-replicas: .venv/dev
	$(PYTEST) --no-loadscope-reorder tests/replicas  # its longest file has few tests: first

test-jax: .venv/dev
	KERAS_BACKEND=jax $(PYTEST) --dist=worksteal -m any_backend \
		$$(grep -rl any_backend tests --include='test_*.py')

test-all: test test-rest tpu-check

# One lesson, built and tested alone.
lesson: .venv/dev
	$(BIN)/python tools/try_lesson.py $(NAME)

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m mypy

build: .venv/dev
	$(BIN)/python tools/build_notebooks.py

# Lessons, topics, cards and reference, from what is stored: nothing is executed.
site: .venv/site
	$(BIN)/python tools/build_site.py

wheel: .venv/dev
	$(BIN)/python -m build --wheel --outdir dist .

# The package without the course, its data and its grader, in dist/alone.
wheel-alone: wheel
	$(BIN)/python tools/light_wheel.py

# For a class: a wheel and notebooks without solutions in dist/class, the full wheel beside it.
class: wheel
	$(BIN)/python tools/release_class.py

# The oldest versions that are supported, in an environment of their own.
test-oldest: .venv-oldest/dev
	.venv-oldest/bin/python -m pytest -q -n 2 tests coursekit
	.venv-oldest/bin/python -m pytest -q -n 2 tests/replicas

# What the TPU's compiler takes, asked on a CPU; and the lessons, solved and untouched, without
# TensorFlow and with products of float32 as rough as a TPU's.
tpu-check: export KERAS_BACKEND = jax
tpu-check: export JAX_PLATFORMS = cpu
tpu-check: .venv-tpu/dev
	.venv-tpu/bin/python -m pytest -q -n 2 --dist=worksteal tests/tpu
	PYTHONPATH=tests/tpu/as_on_a_tpu .venv-tpu/bin/python tools/run_on_jax.py
	$(MAKE) tpu-strategy-check

# TensorFlow's own build for TPUs: `runtime()` and its operations, where there is none.
tpu-strategy-check: .venv-tpu-tf/dev
	.venv-tpu-tf/bin/python -m pytest -q tests/tpu_strategy

# Colab's own versions, with and without TensorFlow: the wheel, and every lesson. Not in CI.
colab-check: wheel .venv-colab/dev .venv-colab-tpu/dev
	KERAS_BACKEND=tensorflow .venv-colab/bin/python tools/colab_check.py
	KERAS_BACKEND=jax .venv-colab-tpu/bin/python tools/colab_check.py

.venv/course: pyproject.toml constraints.txt
	$(call venv,.venv)
	.venv/bin/python -m $(INSTALL) -c constraints.txt -e ".[course]"
	@touch $@

.venv/site: pyproject.toml constraints.txt
	$(call venv,.venv)
	.venv/bin/python -m $(INSTALL) -c constraints.txt -e ".[site]"
	@touch $@

.venv/dev: pyproject.toml constraints.txt
	$(call venv,.venv)
	.venv/bin/python -m $(INSTALL) -c constraints.txt -e ".[dev]"
	@touch $@ .venv/course .venv/site

.venv-oldest/dev: pyproject.toml constraints.txt
	$(call venv,.venv-oldest)
	sed -E '/^(keras|tensorflow|tensorboard)==/d' constraints.txt > .venv-oldest/constraints.txt
	.venv-oldest/bin/python -m $(INSTALL) -c .venv-oldest/constraints.txt -e ".[dev]" $(OLDEST)
	@touch $@

.venv-tpu/dev: pyproject.toml constraints.txt constraints-tpu.txt
	$(call venv,.venv-tpu)
	.venv-tpu/bin/python -m $(INSTALL) -c constraints-tpu.txt -e ".[tpu-check]"
	@touch $@

.venv-tpu-tf/dev: pyproject.toml constraints.txt
	$(call venv,.venv-tpu-tf)
	sed '/^tensorboard==/d' constraints.txt > .venv-tpu-tf/constraints.txt
	.venv-tpu-tf/bin/python -m $(INSTALL) -c .venv-tpu-tf/constraints.txt -e ".[tpu]" nbval pytest-xdist
	@touch $@

# What Colab has before the first cell, in its Python where there is one.
.venv-colab/dev: constraints-colab.txt constraints-colab-tpu.txt
	$(call colab,.venv-colab,$<)

.venv-colab-tpu/dev: constraints-colab-tpu.txt
	$(call colab,.venv-colab-tpu,$<)

define colab
rm -rf $(1)
$(call venv,$(1),$(COLAB_PYTHON))
$(1)/bin/python -m $(INSTALL) -r $(2) nbval pytest-xdist
@touch $(1)/dev
endef

# Make an environment; where Debian's python3-venv is missing, say so in a sentence.
define venv
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	{ echo "The course needs Python 3.11 or newer: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	{ echo "Python cannot make environments yet: sudo apt install python3-venv"; exit 1; }
@test -x $(1)/bin/python || { echo "Setting up $(1) (a few minutes, once) ..."; $(or $(2),$(PYTHON)) -m venv $(1); }
endef

clean:
	rm -rf .venv .venv-* build dist
