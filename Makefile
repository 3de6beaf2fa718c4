# Large Models, Step by Step. `make help` lists what there is to do.
PYTHON ?= python3
BIN := .venv/bin
$(if $(filter-out tensorflow jax torch,$(BACKEND)),$(error BACKEND is \
  tensorflow, jax or torch, not $(BACKEND)))

PYTEST = KERAS_BACKEND=$(or $(BACKEND),tensorflow) $(BIN)/python -m pytest -n auto
OTHER_BACKENDS = $(if $(filter jax torch,$(BACKEND)),@$(MAKE) backends)
TWO_DIGITS = $(if $(filter 1 2 3 4 5 6 7 8 9,$(CHAPTER)),0)$(CHAPTER)

.DEFAULT_GOAL := help
.PHONY: help setup lab test quick notebooks exercises homework grade mutants handout scoreboard checkpoints bench backends gpu colab lint lock resolve clean

help: ## this list
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | \
	  awk -F '\t' '{printf "  make %-11s %s\n", $$1, $$2}'

setup: ## make .venv from requirements.lock (every other target does this itself)
	@$(PYTHON) tools/environment.py

lab: setup ## open JupyterLab with chapter 01 (ARGS="--no-browser" and the like)
	$(BIN)/python -m jupyterlab --ServerApp.root_dir=. \
	  --LabApp.default_url=/lab/tree/notebooks/01_lstm_classifier.ipynb \
	  $(if $(filter 0,$(shell id -u)),--allow-root) $(ARGS)

test: setup ## run every test and notebook, strictly (CHAPTER=05 BACKEND=jax or torch)
	$(OTHER_BACKENDS)
	$(PYTEST) --nbval $(if $(CHAPTER),-k "$(TWO_DIGITS)_")

quick: setup ## run the tests that take no notebook and little time (BACKEND=jax or torch)
	$(OTHER_BACKENDS)
	$(PYTEST) -m "not slow" tests

notebooks: setup ## run the notebooks and store their outputs (CHAPTER=01 for one)
	@$(BIN)/python -m tools.notebooks --chapter "$(CHAPTER)"

exercises: setup ## write the student editions from notebooks/solutions
	@$(BIN)/python -m tools.homework exercises

homework: setup ## write the assignment to hand out (CHAPTER=01)
	@$(BIN)/python -m tools.homework assign --chapter "$(CHAPTER)"

grade: setup ## grade a folder of submissions (CHAPTER=01 SUBMISSIONS=folder)
	@$(BIN)/python -m tools.homework grade --chapter "$(CHAPTER)" \
	  --submissions "$(SUBMISSIONS)"

mutants: setup ## how many wrong answers do the checks refuse? (CHAPTER=01)
	@$(BIN)/python -m tools.mutants --chapter "$(CHAPTER)"

handout: setup ## write a copy of the course without solutions (FOLDER=…)
	@$(BIN)/python -m tools.homework handout --folder "$(FOLDER)"

scoreboard: setup ## write the README's table of models from the notebooks
	@$(BIN)/python -m tools.scoreboard

checkpoints: setup ## train data/checkpoints again (ONLY=name BACKEND=torch)
	@KERAS_BACKEND=$(or $(BACKEND),tensorflow) \
	  $(BIN)/python -m training $(ONLY)

bench: setup ## time the course beside PyTorch, KerasHub, gensim (ONLY=generation for one)
	$(BIN)/python -m pip install --disable-pip-version-check --quiet \
	  -r requirements-bench.txt
	@TF_CPP_MIN_LOG_LEVEL=3 $(BIN)/python -m benchmarks $(ONLY)

backends: setup ## add JAX and PyTorch, so that tests of lib run on them too
	$(BIN)/python -m pip install --disable-pip-version-check --quiet \
	  -r requirements-backends.txt

gpu: setup ## pack what a machine with JAX and a GPU lacks (PYTHON_VERSION=3.12)
	@$(BIN)/python -m tools.gpu --pack "$(or $(PYTHON_VERSION),3.12)"

colab: setup ## run the chapters as Colab would, with its versions (CHAPTER=01 for one)
	@$(BIN)/python -m tools.colab --chapter "$(CHAPTER)"

lint: setup ## check the style of Python files, and that notebooks are tidy
	$(BIN)/python -m ruff check .
	@$(BIN)/python -m tools.notebooks --check

lock: setup ## pin requirements.txt in requirements.lock, for every system
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/python -m uv pip compile --universal --python-version 3.10 \
	  --upgrade --no-annotate --custom-compile-command "make lock" \
	  --quiet --output-file requirements.lock requirements.txt

resolve: setup ## can it be installed with each Python, on each system?
	$(BIN)/python -m pip install --quiet uv
	@$(BIN)/python -m tools.resolve

clean: ## remove the environments (homework/ stays: students' work may lie there)
	rm -rf .venv .venv.old .venv-colab .pytest_cache
