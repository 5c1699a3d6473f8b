# `make help` lists what can be made. ARGS passes further arguments: make run ARGS="--config tidings.toml"

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help run demo test ci bench bench-registry bench-isolation bench-console chaos chaos-short chaos-cluster deploy-check deploy-test alerts-test lint fmt services-up services-down

help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  %-14s %s\n", $$1, $$2 }'

run: ## Tidings in one process, nothing to install (http://localhost:8080)
	cargo run --release --package tidings -- standalone $(ARGS)

demo: ## The main job: every kind of event to a handful of receivers, and what became of each
	cargo run --release --package tidings -- demo $(ARGS)

# Services that run already are left running; those started here are stopped, also after a failure.
define with_services
	if ! scripts/services status 2>/dev/null; then trap 'scripts/services down' EXIT; fi; \
	scripts/services up; \
	eval "$$(scripts/services env)"
endef

# Programs and tests, built with one set of features: cargo would build half of the dependencies anew for either alone.
build_for_tests = cargo build --workspace --bins --tests --examples

test: ## Every test, with PostgreSQL and RabbitMQ (installed on Debian when missing)
	@$(with_services); \
	$(build_for_tests); \
	TIDINGS_TEST_BINARY="$${CARGO_TARGET_DIR:-$(CURDIR)/target}/debug/tidings" cargo test --workspace --no-fail-fast $(ARGS)

ci: ## What a change must pass: format, lints, documentation, what is deployed, tests, the shortest chaos
	cargo fmt --all --check
	$(MAKE) deploy-check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps
	$(MAKE) test
	$(MAKE) chaos-short

bench: ## CPU per delivery, deliveries per second and latency, embedded and on the real engines
	@$(with_services); \
	scripts/bench $(ARGS)

bench-registry: ## The same with few tenants and with 100,000 tenants and 200,000 endpoints
	@$(with_services); \
	scripts/bench-registry $(ARGS)

bench-isolation: ## What others feel of an endpoint that hangs, a flood, a backlog, a crash; wants a machine at rest
	@$(with_services); \
	scripts/bench isolation $(ARGS)

bench-console: ## What the console's pages weigh and how long they take over a log of ATTEMPTS=50000000
	@$(with_services); \
	scripts/bench-console $(ATTEMPTS)

# Both start engines of their own and leave nothing running.
chaos: ## Break a running system for a while, count what became of every event (MINUTES=5 SEED=1 ARGS=--list)
	@cargo build --release --quiet --package tidings --package tidings-chaos
	@target/release/chaos --minutes $(or $(MINUTES),5) $(if $(SEED),--seed $(SEED)) $(ARGS)

chaos-short: ## The same with the most important faults, once each, on a debug build, at 120 events/s
	@$(build_for_tests)
	@target/debug/chaos --short --rate 120 $(if $(SEED),--seed $(SEED)) $(ARGS)

chaos-cluster: ## What only a cluster can suffer, on three RabbitMQ nodes with the broker's defaults; a debug build, 6 minutes
	@$(build_for_tests)
	@target/debug/chaos --cluster --drain 300 $(if $(SEED),--seed $(SEED)) $(ARGS)

deploy-check: ## Chart, manifests, rules and dashboards, by helm, Kubernetes' schemas and promtool
	@scripts/deploy-check

deploy-test: ## Build the image and run it and docker-compose.yml for real, from stand-in base images (Debian, root, 20 minutes)
	@scripts/deploy-test $(ARGS)

alerts-test: ## Fire every alert by a fault of its own against a real Prometheus (20 minutes); ARGS=--write for the page of it
	@$(build_for_tests)
	@command -v prometheus >/dev/null || { echo "install prometheus"; exit 1; }
	@scripts/alerts-test "$${CARGO_TARGET_DIR:-target}/debug/tidings" $(ARGS)

lint: ## Lints, and dependencies' licences and advisories where cargo-deny is installed
	cargo clippy --workspace --all-targets -- -D warnings
	@if cargo deny --version >/dev/null 2>&1; then cargo deny check; else echo "cargo-deny is not installed: skipped"; fi

fmt: ## Format the code
	cargo fmt --all

services-up: ## Start PostgreSQL and RabbitMQ for tests, private to this checkout
	scripts/services up

services-down: ## Stop them
	scripts/services down
