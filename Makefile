# make lab | make test | make check | make docs | make bench; each makes the environment first.

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: env lab test test-browser test-notebooks check lint types docs modes tutorials binder bench screenshots chromium clean

env: $(STAMP)

$(STAMP): pyproject.toml tools/venv.sh
	@tools/venv.sh $(PYTHON) .venv
	@echo "installing into .venv (some minutes the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[lab,official,batch,docs,test]'
	@$(BIN)/jwinteractive warm
	@touch $@

lab: env
	$(BIN)/jwinteractive lab

test: env chromium check
	$(BIN)/pytest -n 2 --dist loadfile --ignore tests/browser
	@$(MAKE) --no-print-directory -j 2 test-browser test-notebooks

test-browser: env chromium
	$(BIN)/pytest tests/browser

# of the processor, these take what the browser leaves
test-notebooks: env
	nice -n 19 $(BIN)/pytest --nbval-lax -p no:cacheprovider notebooks

check: env
	@$(MAKE) --no-print-directory -j 2 docs lint types

lint: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: env
	$(BIN)/mypy
	$(BIN)/pyright

docs: env
	PYTHONPATH=tools $(BIN)/python -m manual made
	$(BIN)/sphinx-build -q -W --keep-going -d build/doctrees docs build/docs

# what the repository itself shows: pages of modes, links to tutorials
modes: env
	PYTHONPATH=tools $(BIN)/python -m manual kept

# for `make docs`, which shows what notebooks gave where they were executed
tutorials: env
	PYTHONPATH=tools $(BIN)/python -m manual.executed

binder:
	tools/binder.sh $(PYTHON)

bench: env
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[bench]'
	$(BIN)/jwinteractive bench

screenshots: env chromium
	$(BIN)/pytest -q tests/browser/test_workbench.py tests/browser/test_mask_studio.py \
		tests/browser/test_flicker.py tests/browser/test_outliers.py tests/browser/test_spectra.py \
		tests/browser/test_official.py tests/browser/test_known.py tests/browser/test_batch.py \
		-k "knob or every_tool or judged or counted or dragged or compared_in or remedy or applied_to"
	cp build/screenshots/workbench-light.png docs/images/workbench.png
	cp build/screenshots/studio-light.png docs/images/mask-studio.png
	cp build/screenshots/flicker-methods-light.png docs/images/flicker.png
	cp build/screenshots/outliers-light.png docs/images/outliers.png
	cp build/screenshots/spectra-line-light.png docs/images/spectra.png
	cp build/screenshots/official-compared.png docs/images/official.png
	cp build/screenshots/known-light.png docs/images/issues.png
	cp build/screenshots/batch-light.png docs/images/batch.png

chromium: env
	@tools/chromium.sh $(BIN)/playwright

clean:
	rm -rf docs/official docs/steps docs/tutorials
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
