# make demo    set everything up, ingest examples/, ask four questions
# make test    set everything up, lint, check types, run the tests in two processes (minutes)
# make help    list all targets

PYTHON  ?= python3
STORE   ?= .kgrag
DATA    ?= ../data
REPORT  ?= report
DEMO    := .kgrag-demo
# Processes of make test.
JOBS    ?= 2
# Precisions of make injections.
PRECISIONS ?= int4 int8 fp16
# A package index for another build of torch, such as the one for machines without a GPU.
TORCH_INDEX ?=

BIN    := .venv/bin
KGRAG  := $(BIN)/kgrag
TORCH  := $(shell sed -n 's/^torch==\([0-9.]*\).*/\1/p' requirements.lock | head -1)
VISION := $(shell sed -n 's/^torchvision==\([0-9.]*\).*/\1/p' requirements.lock | head -1)
export TOKENIZERS_PARALLELISM := false
export HF_HUB_DISABLE_TELEMETRY := 1

.PHONY: help install demo neo4j test test-neo4j test-slow gpu-check check format ingest chat eval bench bench-manuals bench-scale injections tune ranker sentences relations judge reader docs lock clean

help:
	@sed -n 's/^# make/make/p' Makefile
	@echo "make ingest CORPUS=PATH [STORE=DIR]    ingest files into a store"
	@echo "make chat [STORE=DIR]                  ask in a conversation"
	@echo "make eval QUESTIONS=FILE [STORE=DIR]   compare answers with and without evidence, into report/"
	@echo "make bench DATA=DIR                    measure retrieval on the public datasets, into build/bench/"
	@echo "make bench-manuals DATA=DIR            measure retrieval on technical documents (ANSWERS=1: and answers), into build/bench/manuals/"
	@echo "make injections [PRECISIONS=int4]      measure whether answers obey injected text, in each precision"
	@echo "make bench-scale [SIZES=10k,100k]      measure stores of 10 thousand to a million documents"
	@echo "make tune [STORE=DIR] [MINUTES=N]      train a LoRA adapter on the documents of a store"
	@echo "make ranker DATA=DIR                   train the passage ranker, with cross-validated figures"
	@echo "make sentences DATA=DIR                train the sentence selector, with cross-validated figures"
	@echo "make relations DATA=DIR                train the relation classifier, with cross-validated figures"
	@echo "make judge DATA=DIR                    train the judge of claims, with cross-validated figures"
	@echo "make reader DATA=DIR                   train the reader adapter of the default model: minutes on a GPU, a day without"
	@echo "make gpu-check                         measure the language model on a GPU and print a table"
	@echo "make test-slow                         run the tests that need the language model"
	@echo "make neo4j                             start a Neo4j server on this machine"
	@echo "make test-neo4j                        run the tests that need Neo4j: starts a server and stops it"
	@echo "make docs                              build the documentation site with a strict link check, into build/site/"
	@echo "make check | format | lock | clean"

install: .venv/installed .venv/models

.venv/installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if (3, 11) <= v < (3, 13) else f"kgrag needs Python 3.11 or 3.12, {sys.executable} is {v.major}.{v.minor}: name another with make PYTHON=python3.11")'
	@$(PYTHON) -m venv --help >/dev/null || { echo "$(PYTHON) has no venv module: install it (python3-venv on Debian)."; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing the packages that requirements.lock pins (about 6 GB, a few minutes the first time) ..."
ifeq ($(TORCH_INDEX),)
	@$(BIN)/python -m pip install --quiet --progress-bar on --disable-pip-version-check --require-hashes -r requirements.lock
else
	@$(BIN)/python -m pip install --quiet --progress-bar on --disable-pip-version-check --index-url $(TORCH_INDEX) torch==$(TORCH) torchvision==$(VISION)
	@awk '/^[a-z]/ { skip = /^(torch|nvidia|cuda|triton)/ } !skip' requirements.lock > .venv/rest.lock
	@$(BIN)/python -m pip install --quiet --progress-bar on --disable-pip-version-check --require-hashes -r .venv/rest.lock
endif
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

.venv/models: .venv/installed
	@$(KGRAG) models pull all-MiniLM-L6-v2
	@touch $@

demo: install
	@$(KGRAG) models pull auto
	@$(KGRAG) ingest examples --store $(DEMO)
	@for question in "What did Vannevar Bush call the desk that would store and link a person's books and records?" "Where did Ada Lovelace's father die?" "丘成桐的博士导师出生于哪里？" "How much did it cost to build the Harvard Mark I?"; do \
	    printf '\n\033[1m$$ kgrag ask "%s"\033[0m\n' "$$question"; \
	    $(KGRAG) ask "$$question" --store $(DEMO) || exit 1; \
	done
	@echo "Go on:  make chat STORE=$(DEMO)             ask your own questions of the examples"
	@echo "        make ingest CORPUS=~/my-documents      read your own files into $(STORE)"
	@echo "        make chat                              and ask them"

test: install check
	@$(BIN)/python -m pytest -n $(JOBS) --no-loadscope-reorder -m "not slow and not alone"
	@$(BIN)/python -m pytest -n $(JOBS) --no-loadscope-reorder -m "alone and not slow"

test-neo4j: install
	@$(BIN)/python -m graphs.neo4j.local_server around $(BIN)/python -m pytest -m neo4j $(TESTS)

neo4j: install
	@if command -v docker >/dev/null && docker info >/dev/null 2>&1; then \
	    : $${KGRAG_NEO4J_PASSWORD:?Set KGRAG_NEO4J_PASSWORD to the password that the server shall have}; \
	    docker compose up --detach --wait && echo "Neo4j answers: kgrag ingest PATH --store neo4j://neo4j@127.0.0.1:7687/neo4j"; \
	else $(BIN)/python -m graphs.neo4j.local_server serve; fi

test-slow: install
	@$(KGRAG) models pull auto
	@$(BIN)/python -m pytest -m slow

gpu-check: install
	@$(KGRAG) models pull qwen2.5-coder-0.5b-instruct
	@$(BIN)/python -m kgrag.cli.gpu_check

check: install
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: install
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

ingest: install
	@test -n "$(CORPUS)" || { echo "Name what to read: make ingest CORPUS=path/to/documents"; exit 2; }
	@$(KGRAG) ingest $(CORPUS) --store $(STORE)

chat: install
	@$(KGRAG) chat --store $(STORE)

eval: install
	@test -n "$(QUESTIONS)" || { echo "Name the questions: make eval QUESTIONS=questions.jsonl"; exit 2; }
	@$(KGRAG) eval $(QUESTIONS) --store $(STORE) --out $(REPORT)

bench: install
	@$(KGRAG) bench table --data $(DATA) --stores build/stores --out build/bench

bench-manuals: install
	@$(KGRAG) bench manuals --data $(DATA) $(if $(ANSWERS),--answers) --out build/bench/manuals

injections: install
	@for precision in $(PRECISIONS); do $(KGRAG) bench injections --precision $$precision || exit 1; done

bench-scale: install
	@$(KGRAG) bench scale $(if $(SIZES),--sizes $(SIZES)) --out build/scale

tune: install
	@$(KGRAG) tune --store $(STORE) $(if $(EXAMPLES),--examples $(EXAMPLES)) $(if $(QUESTIONS),--questions $(QUESTIONS)) $(if $(OUT),--out $(OUT)) $(if $(MINUTES),--minutes $(MINUTES))

ranker: install
	@$(KGRAG) bench ranker --data $(DATA) --stores build/stores $(if $(wildcard $(DATA)/manuals/questions.dev.jsonl),--manuals $(DATA)/manuals) --out kgrag/data/ranker.json

# The passages of the reader's training questions as a store.
READER := build/reader
reader-store: install
	@$(KGRAG) bench reader-data --data $(DATA) --out $(READER)
	@$(KGRAG) ingest $(READER)/corpus.jsonl --store $(READER)/store

sentences: reader-store
	@$(KGRAG) bench sentences --store $(READER)/store --questions $(READER)/questions.en.jsonl --questions $(READER)/questions.zh.jsonl \
	    --out kgrag/data/sentences.json

relations: install
	@$(KGRAG) bench relations --data $(DATA) --out ingest/relations/classifier.npz

judge: install
	@$(KGRAG) bench judge-train --data $(DATA) --out kgrag/data/judge.json

# What the shipped reader learned from and how; it goes on after any stop, and only a whole one takes the place of the old.
reader: reader-store
	@$(KGRAG) models pull qwen2.5-coder-1.5b-instruct
	@$(KGRAG) tune write --store $(READER)/store --questions $(READER)/questions.en.jsonl --stepwise --number 700 --out $(READER)/en.jsonl
	@$(KGRAG) tune write --store $(READER)/store --number 1600 --out $(READER)/own.jsonl
	@$(KGRAG) tune write --store $(READER)/store --questions $(READER)/questions.zh.jsonl --number 1000 --out $(READER)/zh.jsonl
	@cat $(READER)/en.jsonl $(READER)/own.jsonl $(READER)/zh.jsonl > $(READER)/examples.jsonl
	@$(KGRAG) tune run --examples $(READER)/examples.jsonl --model qwen2.5-coder-1.5b-instruct --rank 8 --epochs 3 --batch 16 --tokens 3072 --look 30000 --patience 0 --out $(READER)/reader \
	    --licence "2WikiMultihopQA (Apache-2.0), HotpotQA (CC BY-SA 4.0), MuSiQue (CC BY 4.0), CMRC 2018 (CC BY-SA 4.0)"
	@mkdir -p kgrag/data/adapters && rm -rf kgrag/data/adapters/reader && mv $(READER)/reader kgrag/data/adapters/reader

docs: install
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "The documentation is in build/site: open build/site/index.html"

lock:
	@uv pip compile pyproject.toml --extra dev --extra docs --universal --python-version 3.11 --generate-hashes --no-header --output-file requirements.lock

clean:
	@rm -rf build $(DEMO) .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
