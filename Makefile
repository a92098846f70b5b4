# make demo    install what is missing, build, train six policies on two tasks, compare them; names a page to open
# make test    install what is missing, then every test
# make lint    formatting, clippy and rustdoc, warnings as errors
# make soak    the long forms of the tests that damage files (10 minutes each) and kill runs (30 times), and runs that are
#              killed, told to stop, hung up on, and without room at random for an hour (AAREN_SOAK_SECONDS=120: two minutes)
# make slurm-test  submit an experiment to a Slurm of its own on this machine: array, failure, time limit, requeue; as root
# make devices-test  policies on aarch64 and on a Cortex-M4F, under QEMU; installs what that takes, as root
# make install-c  the C interface under PREFIX (/usr/local), for pkg-config and CMake
# make deps    only install (CUDA=1: also the libraries that a GPU needs, 2 GB)
# make snapshots  train the behaviour policies of the dataset recipes anew, each a quarter of an hour and more (TASKS=hopper: one)
# make oracle  compare the environments with Python Gymnasium's and POPGym's
# make bench   compare the speed with PyTorch's, other libraries' and Python Gymnasium's
# make page-test  the page of `aaren report --html` in Chromium (Debian: apt install chromium)
# make docs    build the book into target/book, with a search box; installs mdbook under .deps
# make reference  make anew what results/reference holds and the documents quote (PARTS="demo bench": some of it)
# make wheel   build the Python packages, the runtime and the command, into target/wheel (make wheel-test: test them, installed
#              in five ways with torch and MuJoCo)
# make wheel-aarch64  the runtime for 64-bit ARM, into target/wheel-aarch64, with what devices-test installs

PYTHON ?= python3
DEPS := .deps
SITE := $(DEPS)/site
# One stamp for each state of requirements.txt, so that a second call costs nothing.
STAMP := $(DEPS)/installed-$(firstword $(shell cksum requirements.txt))$(if $(CUDA),-cuda)
PIP := $(PYTHON) -m pip install --disable-pip-version-check --no-warn-script-location --quiet

.PHONY: demo test slurm-test devices-test install-c wheel-aarch64 lint soak soak-runs soak-kills soak-datasets soak-agents soak-streaming soak-yaml deps snapshots python oracle bench reference wheel wheel-runtime wheel-command wheel-test docs page-test

demo: deps
	cargo run --release --locked --bin aaren -- run experiments/demo.yaml --jobs 2 --html

# The Python part tests with the binary that `cargo test` builds.
test: deps wheel-runtime
	cargo test --locked --workspace
	$(PYTEST)

# Debian's slurm-wlm (22.05) and munge, which this installs where it may, else says what is missing. Eight minutes.
slurm-test: deps
	cargo build --release --locked --bin aaren
	bash experiments/slurm-test.sh target/release/aaren

# Debian's Rust with its library for arm64, cross compilers and QEMU: installed where they are missing. The table of the
# microcontroller is written to target/devices; TABLE= names another file. Six minutes.
devices-test:
	bash policies/streaming/devices/test.sh $(TABLE)
	$(MAKE) wheel-aarch64

lint: deps
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps

# Side by side: `make -j soak`. The kinds of file that one test binary damages always are, on however few cores.
soak: soak-runs soak-kills soak-datasets soak-agents soak-streaming soak-yaml

AAREN_SOAK_SECONDS ?= 3600

soak-runs: deps
	AAREN_SOAK_SECONDS=$(AAREN_SOAK_SECONDS) cargo test --locked -p aaren-cli --test soak -- --nocapture

soak-kills: deps
	AAREN_KILLS=30 cargo test --locked -p aaren-cli --test kill -- --nocapture killed

soak-datasets soak-agents soak-streaming: soak-%: deps
	AAREN_FUZZ_SECONDS=600 cargo test --locked -p aaren-$* --test hostile -- --nocapture --test-threads 8

soak-yaml: deps
	AAREN_FUZZ_SECONDS=600 cargo test --locked -p aaren-spec --lib -- --nocapture damaged

deps: $(STAMP)

$(STAMP):
	@command -v cargo >/dev/null || { echo "cargo is missing: install Rust 1.95 or newer"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { echo "$(PYTHON) is missing or older than 3.10"; exit 1; }
	rm -rf $(DEPS) && mkdir -p $(DEPS)/mujoco
	$(PIP) --target $(SITE) --no-deps --only-binary=:all: --require-hashes -r requirements.txt
	$(if $(CUDA),$(PIP) --target $(SITE) --upgrade torch==2.13.0)
	ln -s ../site/mujoco/libmujoco.so.3.17.0 $(DEPS)/mujoco/libmujoco.so
	ln -s ../site/mujoco/libmujoco.so.3.17.0 $(DEPS)/mujoco/libmujoco.so.3.17.0
	touch $@

# `make -j2 snapshots` trains two at once, each on one core; a training that was stopped goes on where it was. The
# trainings lie in target/snapshots; only the chosen actors are committed.
TASKS := cartpole hopper halfcheetah walker2d ant hopper-1 halfcheetah-1 walker2d-1 ant-1

snapshots: $(TASKS:%=snapshots-%)

snapshots-%: $(DEPS)/snapshots/installed
	$(DEPS)/snapshots/bin/python envs/datasets/snapshots/train.py train $* target/snapshots
	$(DEPS)/snapshots/bin/python envs/datasets/snapshots/train.py select $* target/snapshots envs/datasets/snapshots
	$(DEPS)/snapshots/bin/python envs/datasets/snapshots/train.py outputs $* envs/datasets/snapshots

$(DEPS)/snapshots/installed: envs/datasets/snapshots/requirements.txt | deps
	$(PYTHON) -m venv $(DEPS)/snapshots
	$(DEPS)/snapshots/bin/$(PIP:$(PYTHON)%=python%) --no-deps --only-binary=:all: -r $<
	touch $@

# What we compare with, in an environment of its own.
python: $(DEPS)/python/installed

# d3rlpy asks for an older Gymnasium, which its Decision Transformer needs nothing of.
$(DEPS)/python/installed: | deps
	$(PYTHON) -m venv $(DEPS)/python
	$(DEPS)/python/bin/$(PIP:$(PYTHON)%=python%) "gymnasium[mujoco]==1.4.0" "mujoco==3.17.0" popgym==1.0.7 torch==2.13.0 numpy==2.4.6 \
		onnxruntime==1.32.0 transformers==5.24.0 torchrl==0.14.1 \
		click==8.5.1 colorama==0.4.6 dataclasses-json==0.6.7 gym==0.26.2 h5py==3.16.0 scikit-learn==1.9.1 structlog==26.1.0 tqdm==4.70.1
	$(DEPS)/python/bin/$(PIP:$(PYTHON)%=python%) --no-deps d3rlpy==2.8.1
	touch $@

oracle: deps python
	cargo build --release --locked --bin aaren
	PYTHON=$(DEPS)/python/bin/python sh oracle/compare.sh

bench: deps python
	cargo build --release --locked --bin aaren --bin aaren-bench
	target/release/aaren-bench

# Wheels for every Python: the streaming runtime's C library, without debug information, and Python over it; the command,
# which finds its libraries beside its package. `zig-cc.sh` links them for an old glibc: the oldest that Rust runs on, and the
# one of torch's wheels.
WHEEL := target/wheel
LINK = PATH="$(CURDIR)/$(DEPS)/wheel/bin:$$PATH" CARGO_ZIGBUILD_PYTHON_PATH=$(CURDIR)/$(DEPS)/wheel/bin/python
HATCH = $(CURDIR)/$(DEPS)/wheel/bin/python -m hatchling build -t wheel -d $(CURDIR)/$(WHEEL)

define PYTEST
$(DEPS)/wheel/bin/$(PIP:$(PYTHON)%=python%) --no-index --no-deps --force-reinstall $(WHEEL)/aaren-*.whl
$(DEPS)/wheel/bin/python -m pytest policies/python
endef

wheel: wheel-runtime wheel-command

wheel-runtime: $(DEPS)/wheel/installed
	$(LINK) AAREN_GLIBC=2.17 cargo rustc --release --locked -p aaren-streaming-c --crate-type cdylib -- \
		-C linker=$(CURDIR)/policies/python/zig-cc.sh
	mkdir -p $(WHEEL) && rm -f $(WHEEL)/aaren-*.whl
	strip --strip-debug -o $(WHEEL)/libaaren_streaming_c.so target/release/libaaren_streaming_c.so
	cd policies/python && AAREN_LIBRARY=$(CURDIR)/$(WHEEL)/libaaren_streaming_c.so $(HATCH)
	$(DEPS)/wheel/bin/python -m auditwheel show $(WHEEL)/aaren-*.whl

wheel-command: $(DEPS)/wheel/installed
	$(LINK) AAREN_GLIBC=2.28 AAREN_RPATH='$$ORIGIN/../torch/lib:$$ORIGIN/../mujoco' \
		cargo rustc --release --locked -p aaren-cli --bin aaren -- -C linker=$(CURDIR)/policies/python/zig-cc.sh
	mkdir -p $(WHEEL) && rm -f $(WHEEL)/aaren_command-*.whl
	cp target/release/aaren $(WHEEL)/aaren
	cd policies/python/command && AAREN_COMMAND=$(CURDIR)/$(WHEEL)/aaren $(HATCH)
	$(DEPS)/wheel/bin/python -m auditwheel show $(WHEEL)/aaren_command-*.whl

# Built by Debian's Rust: rustup's needs a target of its own. The name of the platform comes from the library.
wheel-aarch64: $(DEPS)/wheel/installed
	RUSTC=/usr/bin/rustc CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc \
		cargo build --release --locked --target aarch64-unknown-linux-gnu --target-dir target/devices -p aaren-streaming-c
	rm -rf $(WHEEL)-aarch64 && mkdir -p $(WHEEL)-aarch64
	aarch64-linux-gnu-strip --strip-debug -o $(WHEEL)-aarch64/libaaren_streaming_c.so \
		target/devices/aarch64-unknown-linux-gnu/release/libaaren_streaming_c.so
	cd policies/python && AAREN_LIBRARY=$(CURDIR)/$(WHEEL)-aarch64/libaaren_streaming_c.so \
		$(CURDIR)/$(DEPS)/wheel/bin/python -m hatchling build -t wheel -d $(CURDIR)/$(WHEEL)-aarch64
	$(DEPS)/wheel/bin/python -m auditwheel show $(WHEEL)-aarch64/*.whl

wheel-test: wheel
	cargo build --locked --bin aaren
	$(PYTEST)
	rm -rf $(DEPS)/installs && mkdir -p $(DEPS)/installs
	cp -al $(SITE) $(DEPS)/installs/site && rm -rf $(DEPS)/installs/site/gymnasium*
	$(DEPS)/wheel/bin/$(PIP:$(PYTHON)%=python%) --target $(DEPS)/installs/site --no-deps --only-binary=:all: numpy==2.2.6
	$(DEPS)/wheel/bin/python policies/python/installs.py $(WHEEL) $(DEPS)/installs/site
	rm -rf $(DEPS)/installs

$(DEPS)/wheel/installed: policies/python/requirements.txt policies/python/tests/requirements.txt | deps
	$(PYTHON) -m venv $(DEPS)/wheel
	$(DEPS)/wheel/bin/$(PIP:$(PYTHON)%=python%) --no-deps --only-binary=:all: $(patsubst %,-r %,$^)
	touch $@

PREFIX ?= /usr/local
VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)

install-c:
	cargo build --release --locked -p aaren-streaming-c
	sh policies/streaming/c/install.sh target/release "$(PREFIX)" "$(VERSION)"

# The book. MDBOOK=mdbook takes the one on the PATH instead of compiling one, which takes minutes.
MDBOOK ?= $(DEPS)/mdbook/bin/mdbook

docs: $(filter $(DEPS)/%,$(MDBOOK))
	$(MDBOOK) build docs
	@echo "open target/book/index.html in a browser"

$(DEPS)/mdbook/bin/mdbook:
	cargo install --locked --root $(DEPS)/mdbook mdbook --version 0.5.4

# The page of `aaren report --html` in Chromium; screenshots in target/page.
page-test: deps
	cargo test --locked --workspace --test browser -- --ignored

reference: deps python
	ETTH1="$(ETTH1)" sh experiments/reference.sh $(PARTS)
