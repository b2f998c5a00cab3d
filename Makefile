# Entry points of the repository. `make help` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
export CGO_ENABLED := 0

# Version control stamps the binary where it works; a source archive builds as well.
vcs := $(shell git rev-parse HEAD >/dev/null 2>&1 && echo auto || echo false)
binary := bin/ais
# Packages whose tests need no other process.
packages = $(shell go list ./... | grep -v /integration$$)

# FUZZTIME is how long each fuzz target runs under `make fuzz`.
FUZZTIME ?= 10m
# SEEDS is how many simulated clusters `make sim` runs, or a range such as 5001-9000.
SEEDS ?= 2000
# TOWNS are the seeds that `make towns` runs.
TOWNS ?= 1-500
# SEED, DURATION, NODES, CLIENTS, NEMESES are those of `make thrash`.
SEED ?= 1
DURATION ?= 2h
NODES ?= 5
CLIENTS ?= 16
NEMESES ?= all
# BENCH is what `make bench` and `make figures` hand to `ais bench suite` and `ais bench cluster`.
BENCH ?=

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sort | while IFS= read -r line; do \
		printf '  %-14s %s\n' "$${line%%:*}" "$${line##*## }"; done

.PHONY: build
build: ## build bin/ais, static
	go build -trimpath -buildvcs=$(vcs) -ldflags '-s -w' -o $(binary) ./cmd/ais

.PHONY: dev
dev: build ## run ais on this machine and show how to use it; Ctrl-C stops it
	$(binary) dev

.PHONY: tools
tools: ## install the S3 clients that the tests run (by apt, as root)
	@.ci/tools

.PHONY: test
test: tools ## run all tests: units, crashes, fuzz corpora, real clients against a real node
	go test -timeout 15m $(packages)
	go test -timeout 15m -count=1 ./integration

.PHONY: check
check: ## vet, gofmt, and the house rules
	go vet ./...
	@out=$$(gofmt -l .); [ -z "$$out" ] || { echo "not formatted:"; echo "$$out"; exit 1; }
	go test -count=1 ./internal/tidy

.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME (10m) each
	@.ci/fuzz $(FUZZTIME)

.PHONY: fuzz-short
fuzz-short: ## run every fuzz target for five seconds
	@.ci/fuzz 5s

.PHONY: crash
crash: ## the decisive test, long: crash the engine at more than 10,000 points
	AIS_LONG=1 go test -timeout 2h -count=1 -v -run 'Crash|Decisive' ./volume/... ./mountpath ./target

.PHONY: sim
sim: ## simulate SEEDS (2,000) clusters under faults; a failing seed is replayed by 'ais sim --seed N'
	AIS_SIM_SEEDS=$(SEEDS) go test -timeout 12h -count=1 ./sim

.PHONY: towns
towns: ## targets on crashing disks, under faults, held to the rules of objects, for TOWNS (1-500)
	AIS_TOWN_SEEDS=$(TOWNS) go test -count=1 -timeout 2h -run '^TestTown$$' ./target

.PHONY: mutants
mutants: ## take the rules of replication out of the code, one at a time: a test must notice each
	AIS_MUTANTS=all go test -count=1 -timeout 2h -v ./internal/mutants

.PHONY: cluster
cluster: build ## real clusters: kills, partitions, forged joins, rolling restarts
	go test -timeout 30m -count=1 -v -run '^TestCluster' ./integration

.PHONY: cluster-long
cluster-long: build ## the same with a hundred kills of the primary, fifty nodes, a minute's pause
	AIS_LONG=1 go test -timeout 3h -count=1 -v -run '^TestCluster' ./integration

.PHONY: kill9
kill9: ## kill a real node under load again and again, for a minute and a half
	go test -timeout 15m -count=1 -v -run '^TestKill' ./integration

.PHONY: kill9-long
kill9-long: ## the same, at least fifty kills
	AIS_LONG=1 go test -timeout 2h -count=1 -v -run '^TestKill' ./integration

.PHONY: clients
clients: tools ## real clients: 1,000 files and one of 1 GiB in and out of each
	go test -timeout 30m -count=1 -v -run '^TestClient' ./integration

.PHONY: clients-long
clients-long: tools ## the same with 10,000 files and one of 5 GiB
	AIS_LONG=1 go test -timeout 6h -count=1 -v -run '^TestClient' ./integration

.PHONY: thrash
thrash: build ## a real cluster under load and faults for DURATION (2h); SEED, NODES, CLIENTS, NEMESES
	$(binary) thrash --seed $(SEED) --duration $(DURATION) --nodes $(NODES) --clients $(CLIENTS) --nemeses '$(NEMESES)'

.PHONY: thrash-ci
thrash-ci: build ## what CI runs of it, in less than three minutes: kills, stops, partitions, joins
	$(binary) thrash --seed $(SEED) --duration 100s --nemeses kill,stop,partition,join

.PHONY: bench
bench: build ## measure a node on this machine's disk: throughput, latency, server CPU
	.ci/bench $(BENCH)

.PHONY: figures
figures: build ## measure a cluster on this machine: a join, a leave, a loss, a restart, with 100,000 objects (some minutes)
	$(binary) bench cluster $(BENCH)

.PHONY: clean
clean: ## remove what the targets above made; the data of `make dev` stays
	rm -rf bin bench-data.*
