# codelm: `make run` shows it at work, `make test` tests it. Both make what they need under build/.
# Then: lint, format, bench (speed beside references), bench-gpu, evaluate-bundled (how good the model is), replay (typing
# in real projects), compare (the same, beside other language servers), vscode (the extension), editors (all tests in
# real editors, which it installs), clean.
#
# PYTHON      the interpreter to make the environments with (3.11 or newer)
# MODEL       what `bench` and `evaluate-bundled` measure: a checkpoint's folder (unset: the bundled one)
# SERVERS     what `compare` compares, such as "codelm pyrefly" (unset: all that it knows)
# FILES       how many files `compare` types in
# CODELM_PIP  more options for pip: on machines where the plain `torch` would bring gigabytes of CUDA,
#             "--extra-index-url https://download.pytorch.org/whl/cpu" takes the build for CPUs

PYTHON ?= python3
CODELM_PIP ?=
MODEL ?=
SERVERS ?=
FILES ?= 10

RUN := build/run-env
DEV := build/dev-env
BIN := $(DEV)/bin
OTHERS := build/others-env
REPLAY := tests/benchmarks/replay
CODE := server training tests

.PHONY: run test lint format bench bench-gpu evaluate-bundled replay compare vscode editors clean

run: $(RUN)/installed
	@$(RUN)/bin/codelm-lsp check editor-config/sample.py:22:19

test: $(DEV)/installed
	$(BIN)/python -m pytest

lint: $(DEV)/installed
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(DEV)/installed
	$(BIN)/ruff check --fix $(CODE)
	$(BIN)/ruff format $(CODE)

bench: $(DEV)/installed
	$(BIN)/python tests/benchmarks/run.py $(MODEL)
	$(BIN)/python tests/benchmarks/serving.py $(MODEL)
	$(BIN)/python tests/benchmarks/workspace.py
	$(BIN)/python tests/benchmarks/networks.py
	$(BIN)/python tests/benchmarks/training.py

# The same on a GPU: training of two sizes, and a step's latency. Needs a torch that was built for the GPU.
bench-gpu: $(DEV)/installed
	$(BIN)/python tests/benchmarks/training.py --gpu

# Typing in five projects, replayed through the real server, with ghost text: fetches the projects, then takes about
# a quarter of an hour.
replay: $(DEV)/installed
	$(BIN)/python $(REPLAY)/fetch_devset.py
	$(BIN)/python $(REPLAY)/replay.py --name codelm --positions 16,16,8 --warmup 20 --budget 1800 -- $(abspath $(BIN))/codelm-lsp --stdio

# The same typing through codelm and other language servers, each on a core of its own, lists alone: about half an hour.
compare: $(DEV)/installed $(OTHERS)/installed
	$(BIN)/python $(REPLAY)/fetch_devset.py
	$(BIN)/python $(REPLAY)/compare.py --codelm $(BIN)/codelm-lsp --others $(OTHERS)/bin --files $(FILES) $(SERVERS)

# The bundled model, or MODEL, on projects that it has not seen, and what each of its parts adds: about half an hour.
evaluate-bundled: $(DEV)/installed
	$(BIN)/python tests/benchmarks/evaluate_bundled.py $(MODEL)

# The extension for VS Code, as one file to install: editor-config/vscode/dist/codelm.vsix. The server's wheel is in it.
# Needs Node 20 or newer.
vscode:
	rm -rf editor-config/vscode/dist
	$(PYTHON) -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir editor-config/vscode/dist/server .
	cd editor-config/vscode && npm ci --no-audit --no-fund && npm test && npm run package

# Tests in the real editors, some of them beside other language servers. It fetches Emacs, Neovim 0.12 and VS Code
# where they can be had; what can't is skipped, and said.
editors: $(DEV)/installed $(OTHERS)/installed
	-$(BIN)/python tests/editors/install_emacs.py
	-$(BIN)/python tests/editors/install_neovim.py
	-$(BIN)/python tests/editors/install_vscode.py
	$(BIN)/python -m pytest -rs tests/editors

clean:
	rm -rf build dist

# An environment is made again when what it was made from changes. `python -m venv` is part of Python, but some
# systems sell it apart; then its own message is a page long, so the line that helps is said instead.
$(RUN)/installed: pyproject.toml constraints.txt
	@$(MAKE) --no-print-directory new-environment AT=$(RUN)
	$(RUN)/bin/pip install --quiet --disable-pip-version-check -c constraints.txt $(CODELM_PIP) -e .
	@touch $@

$(DEV)/installed: pyproject.toml constraints.txt
	@$(MAKE) --no-print-directory new-environment AT=$(DEV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt $(CODELM_PIP) -e ".[train,dev,editors]"
	@touch $@

# Their newest releases: that is what people would take instead.
$(OTHERS)/installed: Makefile
	@$(MAKE) --no-print-directory new-environment AT=$(OTHERS)
	$(OTHERS)/bin/pip install --quiet --disable-pip-version-check basedpyright jedi-language-server pyrefly ty zuban
	@touch $@

.PHONY: new-environment
new-environment:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "codelm needs Python 3.11 or newer; $(PYTHON) is older: make PYTHON=python3.12 …" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "$(PYTHON) lacks its venv module; install it first (Debian, Ubuntu: apt install python3-venv)" >&2; exit 1; }
	@rm -rf $(AT) && $(PYTHON) -m venv $(AT)
