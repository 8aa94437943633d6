# Everything a visitor needs with Python 3.11+ and nothing else prepared:
#   make demo   a whole rollout on this machine, less than a minute
#   make test   every check and every test
# Both build their own virtual environment in .venv first, once: half a minute or more.

SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
.DEFAULT_GOAL := help

.PHONY: help demo regression test check clean unleash-lab launchdarkly-lab kubernetes-lab appconfig-lab

help:
	@echo "make demo        a whole rollout on this machine, less than a minute; the first time half a minute more"
	@echo "make regression  the same with a canary that goes bad: taken back by itself"
	@echo "make test        every check and every test"
	@echo "make unleash-lab a real Unleash on this machine to play with, until Ctrl-C"
	@echo "make launchdarkly-lab  a stand-in for LaunchDarkly and the real SDK, until Ctrl-C"
	@echo "make kubernetes-lab  a stand-in for a cluster, with kubectl if you like, until Ctrl-C"
	@echo "make appconfig-lab  a stand-in for AWS AppConfig, until Ctrl-C"
	@echo "make check       format, lint, types, import contracts, budgets"
	@echo "make clean       remove the virtual environment and every cache"

demo: $(VENV)/.installed
	@$(BIN)/rolloutctl demo

regression: $(VENV)/.installed
	@$(BIN)/rolloutctl demo --regression || { code=$$?; [ $$code -eq 10 ] || exit $$code; \
		echo "exit 10 is what a rollout that a gate took back ends with"; }

test: $(VENV)/.installed-dev
	@scripts/check
	@scripts/test

unleash-lab: $(VENV)/.installed
	@$(BIN)/python scripts/unleash_lab.py

kubernetes-lab: $(VENV)/.installed
	@$(BIN)/python scripts/kubernetes_lab.py

appconfig-lab: $(VENV)/.installed
	@$(BIN)/python scripts/appconfig_lab.py

launchdarkly-lab: $(VENV)/.installed
	@$(BIN)/python scripts/launchdarkly_lab.py

check: $(VENV)/.installed-dev
	@scripts/check

# The stamps make a second run immediate and follow a change of the dependencies.
$(VENV)/.installed: pyproject.toml scripts/make-venv
	@scripts/make-venv $(VENV)
	@touch $@

$(VENV)/.installed-dev: pyproject.toml scripts/make-venv
	@scripts/make-venv $(VENV) dev
	@touch $(VENV)/.installed $@

clean:
	rm -rf $(VENV) build dist .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache \
		.hypothesis .import_linter_cache src/*.egg-info
	find src tests benchmarks scripts -name __pycache__ -type d -prune -exec rm -rf {} +
