# Everything people and CI run. `make help` lists it.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
export ROOMPASS_PYTHON ?= $(CURDIR)/target/venv/bin/python

.PHONY: help run test check bench bench-console fuzz-smoke setup setup-test clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: setup ## Start the service on this machine with a demo app, and say what to do next (ARGS='--listen ADDRESS')
	cargo run --locked --package roompass-server --bin roompass -- dev $(ARGS)

test: setup-test fuzz-smoke ## Install what is missing, then run every test
	.ci/test

check: setup ## Format, lints, docs, and dependency rules (ROOMPASS_WITHOUT_DENY=1 leaves the last out)
	cargo fmt --all -- --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	cargo clippy --locked --package roompass-sdk --no-default-features -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps
	@if [ -n "$${ROOMPASS_WITHOUT_DENY:-}" ]; then echo "dependencies not checked, as ROOMPASS_WITHOUT_DENY says"; \
	else .ci/setup deny && cargo test --locked --quiet --package roompass-tests --test dependencies; fi

bench: setup ## Measure what is claimed to be fast, beside its yardstick; fails at the end if a bar was missed
	@missed=; \
	for bench in token-gen:token roompass-server:http roompass-server:revocations roompass-media:forward roompass-server:sockets; do \
	    cargo bench --locked --package $${bench%:*} --bench $${bench#*:} || missed+=" $${bench#*:}"; \
	done; \
	echo "the console has a bench of its own: make bench-console"; \
	[ -z "$$missed" ] || { echo "a bar was missed:$$missed" >&2; exit 1; }

bench-console: setup-test ## Measure how soon each page of the console can be used, with very much of everything
	.ci/bench-console

fuzz-smoke: setup-test ## Run each fuzz target for a few seconds
	.ci/fuzz-smoke

setup: ## Install what building and the tour need (a C compiler, curl)
	.ci/setup build

setup-test: ## Install what the tests need as well
	.ci/setup test

clean: ## Remove everything built
	cargo clean
