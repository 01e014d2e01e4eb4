PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed
DEMO := demo/ucf
CONFIG := --config configs/demo_ucf.yml

.PHONY: help demo test lint clean

help:
	@echo "make demo   small data, training, testing and a figure of UCF-Crime's kind; about 3 minutes"
	@echo "make test   lint and tests; about 4 minutes"
	@echo "make clean  remove what they made, .venv included"

$(INSTALLED): requirements.txt
	@echo "== setting up .venv (once) =="
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

demo: $(INSTALLED)
	@echo "== 1/4 demo data =="
	$(BIN)/python -m utils.demo_data ucf --out $(DEMO)
	@echo "== 2/4 training =="
	$(BIN)/python ucf_train.py $(CONFIG)
	@echo "== 3/4 testing =="
	$(BIN)/python ucf_test.py $(CONFIG) --predictions $(DEMO)/run/predictions.npz
	@echo "== 4/4 what it learned =="
	$(BIN)/python -m utils.demo_report ucf $(CONFIG) --predictions $(DEMO)/run/predictions.npz

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

test: lint
	$(BIN)/python -m pytest

clean:
	rm -rf .venv demo .pytest_cache .ruff_cache
