# The only list of commands. `make help` prints it.
#
# Each target does its own set-up in $(VENV), and a second run is quick. PYTHON=/path/to/python names the interpreter
# (else the newest from 3.11 on is looked for); VENV=folder keeps several side by side.

VENV ?= .venv
PYTHON ?=
# For test-cluster: an image with sh, and one with the installed grader-service's grader-convert.
IMAGE ?= busybox
KUBEGRADER_IMAGE ?=
APISERVER_PID ?=
# For test-compat: one release of grader-service instead of all.
RELEASE ?=
ARGS ?=

BIN := $(VENV)/bin
ON_CLUSTER = KUBEGRADER_IMAGE="$(KUBEGRADER_IMAGE)" $(BIN)/python -m pytest --kubeconfig "$(KUBECONFIG)" --image "$(IMAGE)"
RUST := Cargo.toml Cargo.lock $(shell find src -name '*.rs')
PY := python tests bench
# Compiled for this interpreter's own use: unoptimised, quick to build. `make bench PROFILE=release` is what is shipped.
PROFILE ?= dev

.DEFAULT_GOAL := help
.PHONY: help demo test test-rust test-python test-service test-compat test-cluster test-cluster-rust test-cluster-python lint format bench bench-quick bench-needs bench-embedded instructions mutants mutants-lifecycle wheel clean needs-git needs-rust needs-valgrind needs-cluster
.SILENT: help needs-git needs-rust needs-valgrind needs-cluster

help: ## this list
	sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

demo: needs-git $(VENV)/.built ## grade four submissions on the embedded cluster (ARGS=--json for machines)
	@$(BIN)/python -m kubegrader.demo $(ARGS)

test: test-rust test-python ## all tests that need no cluster

test-rust: needs-rust ## the Rust tests
	cargo test --quiet

test-python: needs-git $(VENV)/.built ## the Python tests that need no cluster
	$(BIN)/python -m pytest -n 3 --dist loadfile --ignore=tests/cluster --ignore=tests/compat $(ARGS)

test-service: needs-git $(VENV)/.built ## end to end with the release of grader-service in $(VENV)
	$(BIN)/python -m pytest -n 3 tests/compat $(ARGS)

test-compat: needs-git target/compat/.built ## end to end with eight releases of grader-service, each in an environment of its own (RELEASE=0.4.2: one)
	$(BIN)/nox $(if $(RELEASE),--session "compat($(RELEASE))") -- $(ARGS)

test-cluster: test-cluster-rust test-cluster-python ## the tests against a real cluster on this machine: needs KUBECONFIG, KUBEGRADER_IMAGE and IMAGE

test-cluster-rust: needs-rust needs-cluster ## of these, the contract that the embedded cluster keeps as well
	RUST_TEST_THREADS=8 KUBECONFIG="$(KUBECONFIG)" IMAGE="$(IMAGE)" cargo test --quiet --test contract -- --ignored

# They mostly wait for pods: three at once take half the time. Those that kill the API server run alone.
test-cluster-python: needs-cluster $(VENV)/.built ## of these, pods, gradings and clients; APISERVER_PID: an API server that may be killed
	$(ON_CLUSTER) -n 3 --dist loadfile --ignore tests/cluster/test_outage.py \
	  tests/cluster tests/clients tests/test_run.py tests/test_refusals.py tests/test_interrupt.py tests/test_later_attempts.py $(ARGS)
	$(if $(APISERVER_PID),$(ON_CLUSTER) --apiserver-pid $(APISERVER_PID) tests/cluster/test_outage.py $(ARGS))

lint: $(VENV)/.built ## formatting, clippy, ruff, mypy, the stubs against the module, cargo-deny where it is installed
	cargo fmt --all --check
	cargo clippy --quiet --workspace --all-targets --features kubegrader/python -- -D warnings
	$(BIN)/ruff check $(PY)
	$(BIN)/ruff format --check $(PY)
	$(BIN)/mypy python bench
	$(BIN)/python -m mypy.stubtest kubegrader._core
	@tools/deny

format: $(VENV)/.installed ## format all sources
	cargo fmt --all
	$(BIN)/ruff check --fix --quiet $(PY) || true
	$(BIN)/ruff format --quiet $(PY)

bench: bench-needs ## kubegrader beside its peers, in ten minutes (KUBECONFIG, else the embedded cluster); writes docs/benchmark*
	$(BIN)/python -m bench --docs docs $(ARGS)

bench-quick: bench-needs ## the least of it, in one minute
	$(BIN)/python -m bench --quick $(ARGS)

# The release build, the peers, and the async generation of grader-service where there is a Python 3.11.
bench-needs: needs-git
	@$(MAKE) --no-print-directory PROFILE=release $(VENV)/.built $(VENV)/.bench
	@if python=$$(tools/find-python 3.11 2>/dev/null); then \
	  $(MAKE) --no-print-directory .venv-upstream-async/.installed-async PYTHON=$$python; fi

$(VENV)/.bench: pyproject.toml $(VENV)/.installed
	@$(BIN)/python -m pip install --quiet --group bench
	@touch $@

.venv-upstream-async/.installed-async: pyproject.toml
	@$(PYTHON) -m venv --clear $(@D)
	@$(@D)/bin/python -m pip install --quiet --upgrade pip
	@$(@D)/bin/python -m pip install --quiet --group bench-upstream-async
	@touch $@

bench-embedded: needs-rust ## how much the embedded cluster can do
	cargo bench --quiet --bench embedded -- $(ARGS)

# The runner must be of the same release as the library.
GUNGRAUN := $(shell sed -n '/^name = "gungraun"/{n;s/version = "\(.*\)"/\1/p;}' Cargo.lock)
instructions: needs-rust needs-valgrind target/gungraun/$(GUNGRAUN)/bin/gungraun-runner ## what each pod's steps take in instructions, and a failure where that has grown by a tenth
	GUNGRAUN_RUNNER="$(abspath target/gungraun/$(GUNGRAUN)/bin/gungraun-runner)" cargo bench --quiet --package kubegrader-instructions -- $(ARGS)

target/gungraun/%/bin/gungraun-runner:
	cargo install --quiet --debug --root target/gungraun/$* --version $* gungraun-runner

VERDICTS := $(foreach file,verdict pod_reason container_end runtime_trouble waiting cause pod_view status_view printable,--file src/$(file).rs)
mutants: needs-rust ## which changes to verdicts no test notices (needs cargo-mutants and cargo-nextest)
	CARGO_INCREMENTAL=1 cargo mutants $(VERDICTS) --timeout 90 $(ARGS)

mutants-lifecycle: needs-rust ## the same for a pod's life, in one to two hours; a part of them with ARGS='--shard 0/8'
	CARGO_INCREMENTAL=1 KUBEGRADER_SCHEDULES=80 cargo mutants --config .cargo/mutants-lifecycle.toml --file 'src/lifecycle/**/*.rs' --timeout 90 $(ARGS)

wheel: $(VENV)/.installed needs-rust ## dist/*.whl
	$(BIN)/maturin build --release --out dist

clean: ## remove what was built
	rm -rf target dist .nox $(VENV) .venv-upstream-async python/kubegrader/*.so

needs-git:
	command -v git >/dev/null || { echo 'git is missing: grader-service keeps its submissions in it (Debian: apt-get install git)' >&2; exit 1; }

needs-valgrind:
	command -v valgrind >/dev/null || { echo 'valgrind is missing: it counts the instructions (Debian: apt-get install valgrind)' >&2; exit 1; }

needs-cluster:
	test -n "$(KUBECONFIG)" || { echo 'test-cluster needs a cluster: set KUBECONFIG' >&2; exit 1; }

needs-rust:
	command -v cargo >/dev/null || { echo 'Rust is missing: install it with rustup, https://rustup.rs' >&2; exit 1; }

# grader-service needs Python 3.12 from about 0.5 on, so that 3.11 gets the last release of the async generation.
$(VENV)/.installed: pyproject.toml tools/find-python
	@python="$(PYTHON)"; [ -n "$$python" ] || python=$$(tools/find-python) || exit 1; \
	echo "$(VENV): $$($$python --version)"; "$$python" -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	@release=$$($(BIN)/python -c 'import sys; print("0.12.5" if sys.version_info >= (3, 12) else "0.4.2")'); \
	echo "$(VENV): grader-service $$release"; \
	$(BIN)/python -m pip install --quiet --group dev "grader-service==$$release" 'setuptools<81'
	@touch $@

# An editable install: the module goes into python/kubegrader/ itself, so that a changed .py needs no build.
$(VENV)/.built: $(VENV)/.installed $(RUST) pyproject.toml $(if $(filter $(PROFILE),$(shell cat $(VENV)/.profile 2>/dev/null)),,FORCE) | needs-rust
	@echo "$(VENV): building kubegrader ($(PROFILE))"
	@log=$$(VIRTUAL_ENV=$(abspath $(VENV)) $(BIN)/maturin develop --profile $(PROFILE) 2>&1) || { echo "$$log"; exit 1; }
	@echo $(PROFILE) > $(VENV)/.profile
	@touch $@

# One wheel for every Python.
target/compat/.built: $(VENV)/.installed $(RUST) $(shell find python -name '*.py*') pyproject.toml | needs-rust
	rm -rf target/compat
	$(BIN)/maturin build --quiet --profile dev --strip --out target/compat
	@touch $@

.PHONY: FORCE
FORCE:
