# What a person types. `make tour` and `make check` do everything on a fresh Debian 12; `make help` lists the rest.
BUILD        ?= build
BUILD_TYPE   ?= Release
PREFIX       ?= /usr/local
FUZZ_SECONDS ?= 30
JOBS         ?= $(shell nproc 2>/dev/null || echo 2)
CONFIGURED   := $(BUILD)/Makefile

.PHONY: all deps check check-long tour bench lint format fuzz install clean help everything
.DEFAULT_GOAL := all
.NOTPARALLEL: # packages come first; the builds below run in parallel themselves

all: $(CONFIGURED) ## build the command: build/weft
	@$(MAKE) --no-print-directory -C $(BUILD) -j$(JOBS) weft

$(CONFIGURED):
	@cmake -S . -B $(BUILD) -G "Unix Makefiles" -DCMAKE_BUILD_TYPE=$(BUILD_TYPE) -DCMAKE_INSTALL_PREFIX=$(PREFIX) \
	       -DCMAKE_EXPORT_COMPILE_COMMANDS=ON

deps: ## install the Debian packages that are missing
	@sh tools/deps.sh

everything: deps $(CONFIGURED)
	@$(MAKE) --no-print-directory -C $(BUILD) -j$(JOBS) all

check: everything ## build all and run the tests and checks: minutes
	@sh tools/check_includes.sh
	@sh tools/check_format.sh
	@cd $(BUILD) && ctest --output-on-failure --label-exclude long $(CTEST_FLAGS)

check-long: everything ## the tests that take long, too
	@sh tools/check_includes.sh
	@cd $(BUILD) && ctest --output-on-failure $(CTEST_FLAGS)

tour: deps all ## every job, small, with a report: tour/report.html
	@$(BUILD)/weft tour --out tour --force

bench: deps all ## measure operations and models on this machine
	@text="$${WEFT_DATA:-../shared/data}/lm"; [ -d "$$text" ] || text=; $(BUILD)/weft bench $${text:+--text "$$text"} $(NAMES)

lint: $(CONFIGURED) ## include directions, layout, clang-tidy and cppcheck where they are
	@sh tools/lint.sh $(BUILD)

format: ## lay out every C file with clang-format
	@sh tools/check_format.sh --write

fuzz: deps ## every fuzz target for FUZZ_SECONDS (30)
	@cmake -S . -B build-fuzz -G "Unix Makefiles" -DCMAKE_C_COMPILER=clang -DCMAKE_BUILD_TYPE=Debug -DWEFT_TESTS=OFF -DWEFT_FUZZ=ON \
	       -DWEFT_SANITIZE=address,undefined,fuzzer-no-link >/dev/null
	@$(MAKE) --no-print-directory -C build-fuzz -j$(JOBS) weft_fuzz
	@sh tools/fuzz.sh build-fuzz $(FUZZ_SECONDS)

install: all ## into PREFIX (/usr/local), below DESTDIR
	@$(MAKE) --no-print-directory -C $(BUILD) -j$(JOBS) weft_static weft_shared weft_pages
	@DESTDIR=$(DESTDIR) cmake --install $(BUILD) --prefix $(PREFIX)

clean: ## remove what was built
	@rm -rf $(BUILD) build-fuzz build-asan build-tsan build-debug

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile
