# Recipes; `make` alone lists them. Arguments for a command go into ARGS: make run ARGS="--port 9000"
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
ARGS ?=
CASE ?=
BIN := .venv/bin

.PHONY: help run demo test check e2e faults bench-stage bench-radio drift log-verify abuse drill split hls-cache bench bench-door hold cadence simulate fresh fmt lock clean venv venv-test venv-demo

help: ## List the recipes.
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

run: venv ## Start a node on this machine; the first time it installs what it needs into .venv.
	@exec $(BIN)/stentor serve $(ARGS)

demo: venv-demo ## Play a whole Space in a minute: two speakers, 300 listeners, faults, proof.
	@exec $(BIN)/stentor demo --json $(ARGS)

# Tests that mostly wait for browsers and players go two files at a time; the others measure moments
# themselves, and have the machine to themselves. 5: none of them was chosen by ARGS.
WAITING := tests/browser tests/demo tests/players

test: venv-test check ## Run every check and every test, as the continuous integration does.
	@$(BIN)/python -m pytest -q -n 2 --dist loadfile $(WAITING) $(ARGS) || [ $$? -eq 5 ]
	@$(BIN)/python -m pytest -q $(WAITING:%=--ignore=%) $(ARGS) || [ $$? -eq 5 ]

check: venv-test ## Run the checks that take seconds: format, lint, types, import contracts, tidiness.
	@$(BIN)/ruff format --check --quiet . || { echo "Some files are not formatted: run 'make fmt'."; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m pytest -q tests/test_tidy.py

e2e: venv-test ## Measure a Space from microphone to ear in a real browser.
	@exec $(BIN)/python -m bench.e2e $(ARGS)

faults: venv-test ## Break a running Space on purpose and measure what its listeners hear.
	@exec $(BIN)/python -m bench.faults --json $(ARGS)

bench-stage: venv-test ## Measure the stage under its full number of speakers.
	@exec $(BIN)/python -m bench.stage --json $(ARGS)

bench-radio: venv-test ## Measure what radio streams cost to make.
	@exec $(BIN)/python -m bench.radio $(ARGS)

drift: venv-test ## Measure clock drift and packet loss over hours, on a simulated clock.
	@exec $(BIN)/python -m bench.drift $(ARGS)

log-verify: venv-test ## Damage a log in every way and see that the first bad record is named.
	@exec $(BIN)/python -m bench.log_verify $(ARGS)

abuse: venv-test ## Do to a node what strangers may, and measure what its 2,000 listeners notice.
	@scripts/packages.sh abuse
	@exec $(BIN)/python -m bench.abuse $(ARGS)

drill: venv-test ## Hold a node to what it promises under crowds and attacks (CASE=B2 for one).
	@scripts/packages.sh drill
	@exec $(BIN)/python -m bench.drill $(CASE) $(ARGS)

split: venv-test ## Kill and stop gates and edges again and again, and look at those that are left.
	@exec $(BIN)/python -m bench.split $(ARGS)

bench: venv-test ## Measure an edge beside the limit in C, Icecast and nginx: cost, delay, joins, TLS.
	@scripts/packages.sh bench
	@exec $(BIN)/python -m bench.edge $(ARGS)

bench-door: venv-test ## Measure what a gate does for each second of a core, beside nginx: pages, tickets, refusals.
	@scripts/packages.sh bench
	@exec $(BIN)/python -m bench.door $(ARGS)

hold: venv-test ## Hold 60,000 listeners at once on this machine, on four edges.
	@scripts/packages.sh bench
	@exec $(BIN)/python -m bench.edge.hold $(ARGS)

cadence: venv-test ## Take an edge's processor away and see it send more seldom, unheard (root).
	@scripts/packages.sh bench
	@exec $(BIN)/python -m bench.edge.cadence $(ARGS)

hls-cache: venv-test ## Let HLS players listen directly, through Varnish and through nginx.
	@scripts/packages.sh bench
	@exec $(BIN)/python -m bench.hls.run $(ARGS)

simulate: venv-test ## Play a million people at the door by number, with the code that decides.
	@exec $(BIN)/python -m bench.simulation $(ARGS)

fresh: ## Time `make run` in a fresh clone: the first time, and when it is set up.
	@exec python3 bench/fresh.py

fmt: venv-test ## Format the code and mend what the linter can mend.
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format .

lock: ## Write requirements/*.txt anew from requirements/*.in (needs uv).
	@scripts/lock.sh $(ARGS)

clean: ## Remove .venv and caches; recordings and data stay.
	@rm -rf .venv build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	@find src tests bench -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

venv:
	@scripts/setup.sh run

venv-test:
	@scripts/setup.sh test
	@scripts/packages.sh

venv-demo:
	@scripts/setup.sh test demo
	@scripts/packages.sh
