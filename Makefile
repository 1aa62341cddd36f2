# The commands that README names. `make test` is what CI runs.

.PHONY: setup test build

build:
	cargo build --release --locked

# Installs what the tests need (Debian packages, further containerds under target/testbed); says what it does.
setup:
	tests/setup

test: setup
	@rm -f $${TESTBED_DIR:-target/testbed}/skipped.txt
	cargo test --locked --workspace --no-fail-fast; status=$$?; tests/skipped; exit $$status
