PYTHON ?= python3
DATASET ?= ucf
QUICK ?=
TABLE ?= table5_components
SEEDS ?= 234 235
JOBS ?= 1
SMALL ?= --visual-length 32 --batch-size 16 --checkpoint-every 0
BIN := .venv/bin
INSTALLED := .venv/installed
DEMO := demo/$(DATASET)
RUN := --config configs/demo_$(DATASET).yml

# As the commands set it themselves (utils/system/command.py), for the tests.
export OMP_WAIT_POLICY ?= PASSIVE

# A worker that is killed, for memory say, is an error: xdist would wait for ever for another one.
PYTEST := $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --max-worker-restart 0 \
	--dist loadfile

.PHONY: help demo ablate-demo test test-all soak bench lint clean

help:
	@echo "make demo   make a small data set, train on it, test, draw; about 3 minutes on 2 cores"
	@echo "            (DATASET=xd for XD-Violence's kind instead of UCF-Crime's)"
	@echo "make ablate-demo   a small table of components with two seeds; about 7 minutes"
	@echo "            (TABLE=table6_text_tuning, SEEDS=\"1 2 3\", JOBS=2: another, more, at once)"
	@echo "make test   lint and what a change breaks first; about 5 minutes on 2 cores"
	@echo "make test-all   all tests, those of killed processes and browsers too; 10 to 15 minutes"
	@echo "make soak   kill 20 training runs, resume and compare them; some ten minutes"
	@echo "make bench  what the fast paths gain here; some ten minutes (QUICK=--quick: two)"
	@echo "make clean  remove what they made, .venv included"

$(INSTALLED): requirements.txt
	@echo "== setting up .venv, once =="
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

demo: $(INSTALLED)
	@echo "== 1/4 making a small data set =="
	$(BIN)/python -m utils.demo_data $(DATASET) --out $(DEMO)
	@echo "== 2/4 training =="
	$(BIN)/python $(DATASET)_train.py $(RUN)
	@echo "== 3/4 testing the saved weights =="
	$(BIN)/python $(DATASET)_test.py $(RUN) --predictions $(DEMO)/run/predictions.npz
	@echo "== 4/4 what was learned =="
	$(BIN)/python -m utils.demo_report $(DATASET) $(RUN) --predictions $(DEMO)/run/predictions.npz

# Half as many, shorter clips a step than the demo: what it shows is that the table comes about.
ablate-demo: $(INSTALLED)
	$(BIN)/python -m utils.demo_data xd --out demo/xd
	$(BIN)/python ablate.py configs/$(TABLE).yml --out demo/$(TABLE) --jobs $(JOBS) \
		--seeds $(SEEDS) --drop-weights --config configs/demo_xd.yml $(SMALL)

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

test: lint
	$(PYTEST) -m "not slow"

test-all: lint
	$(PYTEST)

soak: $(INSTALLED)
	KILLS=20 $(BIN)/python -m pytest -s tests/runs/test_resume.py -k killed_run_ends
	FUZZ=soak $(BIN)/python -m pytest tests/test_fuzz.py

bench: $(INSTALLED)
	$(BIN)/python -m benchmarks.bench $(QUICK) --json benchmarks/results/last.json

clean:
	rm -rf .venv demo benchmarks/results/last.json .pytest_cache .ruff_cache
