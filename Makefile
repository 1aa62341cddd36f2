# The commands that README names. `make test` is what CI runs.

PREFIX ?= /usr
SYSCONFDIR ?= /etc
UNITDIR ?= /usr/lib/systemd/system
BINARY ?= target/release/cri-shunt

.PHONY: build setup test fuzz demo bench install generate

build:
	cargo build --release --locked

target/release/cri-shunt:
	cargo build --release --locked

# Installs what the tests need (Debian packages, further containerds under target/testbed); says what it does.
setup:
	tests/setup

test: setup
	@rm -f $${TESTBED_DIR:-target/testbed}/skipped.txt
	cargo test --locked --workspace --no-fail-fast; status=$$?; tests/skipped; exit $$status

# Gives each fuzz target that many seconds; `fuzz/run TARGET FILE` tries one input again. `make test` runs the
# targets too, for moments and without a fuzzer.
FUZZ_SECONDS ?= 60

fuzz:
	@for target in $(basename $(notdir $(wildcard fuzz/fuzz_targets/*.rs))); do \
		echo "== $$target"; fuzz/run $$target $(FUZZ_SECONDS) || exit 1; done

# Starts a private containerd and registry, pulls through the shunt, and takes everything down again.
demo:
	@demo/run

# Single steps; loading; pulls; and the relay side by side with others that are installed (haproxy, nginx, socat).
# What relay and pull print is saved in target/bench as well.
bench: setup
	cargo bench --locked --bench micro --bench load --bench pull --bench relay

# Honours DESTDIR and PREFIX. A configuration that is there already stays.
install: $(BINARY)
	install -D -m 0755 $(BINARY) $(DESTDIR)$(PREFIX)/bin/cri-shunt
	install -D -m 0644 packaging/systemd/cri-shunt.service $(DESTDIR)$(UNITDIR)/cri-shunt.service
	install -D -m 0644 packaging/systemd/cri-shunt.socket $(DESTDIR)$(UNITDIR)/cri-shunt.socket
	sed -i 's|/usr/bin/cri-shunt|$(PREFIX)/bin/cri-shunt|' $(DESTDIR)$(UNITDIR)/cri-shunt.service
	install -d -m 0755 $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/doc/cri-shunt
	install -m 0644 packaging/man/*.1 $(DESTDIR)$(PREFIX)/share/man/man1/
	install -D -m 0644 packaging/completions/cri-shunt.bash \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/cri-shunt
	install -D -m 0644 packaging/completions/_cri-shunt $(DESTDIR)$(PREFIX)/share/zsh/vendor-completions/_cri-shunt
	install -D -m 0644 packaging/completions/cri-shunt.fish \
		$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/cri-shunt.fish
	cp -R docs packaging/examples README.md $(DESTDIR)$(PREFIX)/share/doc/cri-shunt/
	test -e $(DESTDIR)$(SYSCONFDIR)/cri-shunt/config.toml || \
		install -D -m 0640 packaging/config.toml $(DESTDIR)$(SYSCONFDIR)/cri-shunt/config.toml
	install -d -m 0755 $(DESTDIR)$(SYSCONFDIR)/cri-shunt/conf.d

# Man pages and completions anew, after a change of the command line.
generate:
	GENERATE=1 cargo test --quiet --locked --test generated
