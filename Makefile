# The project's verbs. `make figures` and `make test` need nothing but Python 3.11 or newer.

PYTHON ?= python3
CORES ?= all
SCALE ?= $(shell sed -n 's/^scale: *//p' config.yaml)
WORKERS ?= 2
SECONDS ?= 30
ENV := .venv
BIN := $(ENV)/bin

.PHONY: env figures test test-wheel test-lowest mechanisms fuzz test-slurm test-torch test-crate lint types docs crate bench report reference train-paper-gpu clean

# The environment is made anew when the locked versions change. --require-hashes: every file that pip
# fetches is the one that was locked. What builds the package is locked, too: without isolation pip fetches none.
env: $(ENV)/.installed

$(ENV)/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "lopt needs Python 3.11 or newer; $(PYTHON) is older. Try: make env PYTHON=python3.11"; exit 1; }
	$(PYTHON) -m venv $(ENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

figures: env
	$(BIN)/snakemake --cores $(CORES) --config scale=$(SCALE)

# In as many processes at a time as there are WORKERS; tests/conftest.py says which tests share one.
test: env
	$(BIN)/python -m pytest -n $(WORKERS)

# The library's tests against the wheel, in a folder that has nothing else.
test-wheel: env
	rm -rf build/wheel
	$(BIN)/pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir build/wheel .
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --target build/wheel/installed build/wheel/*.whl
	$(BIN)/python tests/library.py build/wheel/tests
	cd build/wheel/tests && export PYTHONPATH="$(CURDIR)/build/wheel/installed" && \
		"$(CURDIR)/$(BIN)/python" -c 'import lopt, sys; sys.exit(not lopt.__file__.startswith(sys.argv[1]))' \
			"$(CURDIR)/build/wheel/installed" && \
		"$(CURDIR)/$(BIN)/python" -m pytest -n $(WORKERS)

# The same tests, and those of figures and stored results, with the lowest versions that pyproject.toml allows.
test-lowest: env $(ENV)/lowest/.installed
	PYTHONPATH="$(CURDIR):$(CURDIR)/$(ENV)/lowest" $(BIN)/python -m pytest -n $(WORKERS) \
		$$($(BIN)/python tests/library.py) tests/test_figures.py tests/test_claims.py tests/test_store.py tests/test_config.py

# The one call on every optimizer whose mechanisms are known, and the examples that take long: minutes.
mechanisms: env
	$(BIN)/python -m pytest -n $(WORKERS) -m mechanisms

# Damaged files and kills, in search of raw errors and wrong numbers; tests/fuzz says how to add to them.
fuzz: env
	$(BIN)/python tests/fuzz --seconds $(SECONDS)

# SLURM for real, on a cluster of one node that the tests start, and interrupts of every kind. The plugin lies
# beside the environment, not in it: it would slow down every call of Snakemake.
test-slurm: env
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --upgrade --target $(ENV)/slurm \
		$$($(BIN)/python -c 'import tomllib; \
			print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["slurm"])')
	PYTHONPATH="$(CURDIR)/$(ENV)/slurm" $(BIN)/python -m pytest -m "slurm or interrupts" \
		tests/test_slurm.py tests/test_interrupts.py

# PyTorch for real, beside the environment: every optimizer that it ships, and the recorded loop.
test-torch: env
	$(BIN)/pip install --quiet --disable-pip-version-check --upgrade --target $(ENV)/torch \
		$$($(BIN)/python -c 'import tomllib; \
			print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["torch"])')
	PYTHONPATH="$(CURDIR):$(CURDIR)/$(ENV)/torch" $(BIN)/python -m pytest -m torch -n 0 tests/test_torch_itself.py

lint: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile rules workflow/Snakefile
	$(BIN)/snakemake --lint

# Pyright's standard mode, by basedpyright, which needs no Node.js of the machine. It lies beside the environment:
# no user needs it. tests/typed_use.py says what has to be an error.
types: env
	$(BIN)/pip install --quiet --disable-pip-version-check --upgrade --target $(ENV)/types --require-hashes \
		-r envs/types.lock
	PYTHONPATH="$(CURDIR)/$(ENV)/types" $(BIN)/python -m basedpyright

# The documentation, into build/site: tutorials and concepts are executed, every public name has its docstring, and a
# warning is an error. Once the packages are there it needs no network, and neither does the site.
docs: env $(ENV)/docs/.installed
	NO_MKDOCS_2_WARNING=1 PYTHONPATH="$(CURDIR)/$(ENV)/docs" $(BIN)/python -m mkdocs build --strict
	PYTHONPATH="$(CURDIR)/$(ENV)/docs" $(BIN)/python -m pytest -q -n 0 -m docs tests/test_site.py
	@echo "the site: build/site/index.html; served, it has a search: python3 -m http.server -d build/site"

# A finished scale as a Provenance Run Crate, results/<scale>/crate.zip, which roc-validator has to accept.
crate: env $(ENV)/crate/.installed
	PYTHONPATH="$(CURDIR):$(CURDIR)/$(ENV)/crate" $(BIN)/python -m lopt.crate results/$(SCALE)
	PYTHONPATH="$(CURDIR)/$(ENV)/crate" $(BIN)/python tests/validate_crate.py results/$(SCALE)/crate.zip

test-crate: env $(ENV)/crate/.installed
	PYTHONPATH="$(CURDIR):$(CURDIR)/$(ENV)/crate" $(BIN)/python -m pytest -n 0 -m crate tests/test_crate.py

$(ENV)/docs/.installed: envs/docs.lock
$(ENV)/crate/.installed: envs/crate.lock
$(ENV)/lowest/.installed: envs/lowest.txt
$(ENV)/docs/.installed $(ENV)/crate/.installed $(ENV)/lowest/.installed:
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --upgrade --target $(@D) --require-hashes -r $<
	@touch $@

bench: env
	$(BIN)/python benchmarks/side_by_side.py $(if $(wildcard results/$(SCALE)/claims.md),--results results/$(SCALE))

report: figures
	$(BIN)/snakemake --config scale=$(SCALE) --report results/$(SCALE)/report.html

# What is generated from the code: the reference page of config.yaml, its schema and the names of lopt for editors.
reference: env
	$(BIN)/python -m lopt.config_reference
	$(BIN)/python -m lopt.stub

# What the scale paper names, trained anew for weights/: on one machine with an NVIDIA GPU.
train-paper-gpu: env
	$(BIN)/pip install --quiet --disable-pip-version-check --no-build-isolation -e ".[cuda]"
	$(BIN)/snakemake --profile profiles/gpu --config scale=paper -- baselines meta_training evaluation analysis
	$(BIN)/python -m lopt.weights release results/paper weights

# Everything that the workflow and the environment made. Checkpoints of unfinished training go too.
clean:
	rm -rf $(ENV) .snakemake results .pytest_cache .ruff_cache build *.egg-info
