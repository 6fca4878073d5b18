# Everything runs in .venv; set PYTHON to use another interpreter.
PYTHON ?= python3
BIN := .venv/bin
RESULTS ?= results
# Of protocol-search: the folder with the datasets (their own settings where it is empty), datasets and models.
DATA ?=
DATASETS ?= cocoa bsds kins fishbowl sailvos
MODELS ?= sam sam2

.PHONY: help setup run test test-all coverage lint format docs bench bench-compare bench-gpu ablation every-model table protocol-search clean

help: ## list the targets
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

setup: $(BIN)/amodal-bench ## make .venv and install the package with its tools

$(BIN)/amodal-bench: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet -e '.[dev]'
	@touch $@

run: setup ## the whole job: tiny model, toy aquarium, tables, contact sheet
	$(BIN)/amodal-bench "results=$(RESULTS)"

test: setup ## the fast tests
	$(BIN)/python -m pytest -n auto --dist worksteal

test-all: setup ## all tests, slow ones included
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m '' -n auto --dist worksteal

coverage: setup ## which lines the fast tests run; takes twice as long as they do
	$(BIN)/python -m pytest -n auto --dist worksteal --cov --cov-report=
	$(BIN)/coverage report

lint: setup ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: setup ## let ruff rewrite what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: setup ## build the website of docs/ in site/; a warning is an error
	$(BIN)/python -m pip install --quiet -e '.[docs]'
	$(BIN)/zensical build --strict

bench: setup ## measure counting, preparing, overlap, the index of a large dataset, the toy's, the check of a dataset, shared encodings, scoring, going on with a run, pages and Ray's actors, each against the plain way
	$(BIN)/python benchmarks/counts.py --history
	$(BIN)/python benchmarks/prepare.py --history
	$(BIN)/python benchmarks/overlap.py --history
	$(BIN)/python benchmarks/overlap.py --tiny --instances 96 --history
	$(BIN)/python benchmarks/lanes.py --history
	$(BIN)/python benchmarks/index.py --history
	$(BIN)/python benchmarks/toy.py --history
	$(BIN)/python benchmarks/check.py --images 1000 --history
	$(BIN)/python benchmarks/segmenters.py --history
	$(BIN)/python benchmarks/scoring.py --history
	$(BIN)/python benchmarks/resume.py --history
	$(BIN)/python benchmarks/page.py
	$(BIN)/python benchmarks/actors.py --history

bench-compare: setup ## which of the benchmarks became slower with the newest commit that was measured
	$(BIN)/python benchmarks/history.py

bench-gpu: setup ## measure the models at their real sizes on a GPU, with random weights (nothing is downloaded)
	$(BIN)/python benchmarks/gpu.py --json bench-gpu.json

ablation: setup ## all five leakage strategies on the toy aquarium, then their table
	$(BIN)/amodal-bench experiment=leakage "results=$(RESULTS)"
	$(BIN)/amodal-bench results table "$(RESULTS)"

every-model: setup ## every model on the toy aquarium, those with published weights in small and random, in one table
	$(BIN)/amodal-bench experiment=every_model_random "results=$(RESULTS)"

table: setup ## one table of every run in $(RESULTS)
	$(BIN)/amodal-bench results table "$(RESULTS)"

SEARCH := $(RESULTS)/protocol-search

protocol-search: setup ## which protocol explains the published numbers of SAM and SAM2? Runs what is missing, without V added
	set -e; for model in $(MODELS); do \
	  for dataset in $(DATASETS); do \
	    for view in null '$${view}'; do \
	      $(BIN)/amodal-bench dataset=$$dataset $(if $(DATA),"dataset.root=$(DATA)/$$dataset") model=$$model \
	        "model.view=$$view" model.union_visible=false protocol=pcnet sheet=0 "results=$(SEARCH)"; \
	    done; \
	  done; \
	  $(BIN)/amodal-bench published explain --method $${model#random/} -o "$(SEARCH)"/$${model#random/}.csv \
	    --results "$(SEARCH)" --model $$model; \
	done

# The paper's tables. toy=1 or DATASET=toy: any machine. DATA=FOLDER: the five datasets in folders of their names.
# Words are in capitals or as the command has them; ARGS are given as they are.
given = $(or $($(1)),$($(2)))
own = $(if $(call given,$(1),$(2)),"$(2)=$(call given,$(1),$(2))")
PAPER = $(if $(call given,DATASET,dataset),toy=1,$(call own,TOY,toy)) $(call own,DATA,data) $(call own,SAMPLE,sample) \
	$(call own,BUDGET,budget) $(call own,WEIGHTS,weights) $(call own,AGAIN,again) "results=$(or $(results),$(RESULTS))" $(ARGS)
ifneq ($(filter paper table1 table2 table-% figure%,$(MAKECMDGOALS)),)
ifneq ($(filter-out toy,$(call given,DATASET,dataset)),)
$(error DATASET=$(call given,DATASET,dataset): a table has its own datasets; give DATASET=toy, or DATA=FOLDER)
endif
endif
.PHONY: paper table1 table2

paper: setup ## every table and figure of the paper; `make paper toy=1` on any machine, else DATA=FOLDER
	$(BIN)/amodal-bench paper all $(PAPER)

table1: setup ## methods on five datasets, and the average
	$(BIN)/amodal-bench paper table1 $(PAPER)

table2: setup ## the ablation: all parts, and without each
	$(BIN)/amodal-bench paper table2 $(PAPER)

.PHONY: table-backbones table-segmenters table-leakage table-area table-steps table-points table-guidance table-views
.PHONY: table-seeds table-draws table-occlusion table-categories table-protocols table-efficiency
table-backbones: setup ## the inpainting models under the paper's settings
table-segmenters: setup ## what cuts the object out of the inpainted picture
table-leakage: setup ## leakage, each strategy at each strength s
table-area: setup ## what takes the place of the hull as the area M
table-steps: setup ## 5, 10, 20 and 50 denoising steps
table-points: setup ## 1, 3, 9 and 25 points of V for the segmenter
table-guidance: setup ## w of Eq. 11 from 0 to 3
table-views: setup ## the whole frame and crops
table-seeds: setup ## three seeds
table-draws: setup ## mean, best and majority of three draws
table-occlusion: setup ## by occlusion rate, and below 50 %
table-categories: setup ## by category
table-protocols: setup ## one prediction under several protocols
table-efficiency: setup ## seconds and memory of an instance, and their ratio to pix2gestalt
table-backbones table-segmenters table-leakage table-area table-steps table-points table-guidance table-views:
	$(BIN)/amodal-bench paper $@ $(PAPER)
table-seeds table-draws table-occlusion table-categories table-protocols table-efficiency:
	$(BIN)/amodal-bench paper $@ $(PAPER)

# The paper's figures; the words are those of the tables. IDS=ID,ID or IDS=FILE chooses the instances of figures 1, 3, 6 to 8.
.PHONY: figure1 figure3 figure4 figure5 figure6 figure7 figure8
figure1: setup ## a picture, V, the condition image, the area, what is painted, the mask
figure3: setup ## the denoising, step by step
figure4: setup ## the datasets that pix2gestalt reported on against the others
figure5: setup ## bars of the averages
figure6: setup ## examples: picture, V, each model, ground truth
figure7: setup ## examples that are hidden by half or more
figure8: setup ## pixels gained over V
figure1 figure3 figure4 figure5 figure6 figure7 figure8:
	$(BIN)/amodal-bench paper $@ $(PAPER) $(call own,IDS,ids)

clean: ## remove the virtual environment and caches; results stay
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .coverage
