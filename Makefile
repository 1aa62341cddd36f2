# The commands that README and CONTRIBUTING name. CI runs `make check` and `make test` (.ci/run).

PREFIX ?= /usr
SYSCONFDIR ?= /etc
UNITDIR ?= /usr/lib/systemd/system
# A program that is already built, to install as it is. Without this, `make install` builds first.
BINARY ?=

# The crates k8s-cri and containerd-client compile .proto files with protoc. If the machine has none, protox takes its
# place: it is written in Rust, and cargo installs it into target/tools.
PROTOX := $(CURDIR)/target/tools/bin/protox
OWN_PROTOC := $(CURDIR)/build/protoc
PROTOC ?= $(or $(shell command -v protoc),$(OWN_PROTOC))
export PROTOC

.PHONY: tools build check setup test fuzz demo bench dist test-dist install uninstall image generate picture

tools: $(if $(filter $(OWN_PROTOC),$(PROTOC)),$(PROTOX))

$(PROTOX):
	cargo install --quiet --locked --root target/tools --features bin protox

build: tools
	cargo build --release --locked

# Everything that can be checked without running the program. The fuzz crate has its own lock file. Its path variable
# saves compiling libFuzzer's C++, which only linking needs.
check: tools
	cargo fmt --all --check
	cargo fmt --manifest-path fuzz/Cargo.toml --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --document-private-items
	CUSTOM_LIBFUZZER_PATH=/unused/libFuzzer.a cargo check --locked --manifest-path fuzz/Cargo.toml --bins \
		--target-dir $${CARGO_TARGET_DIR:-target}
	.ci/cargo-deny check bans licenses sources

# Installs what the tests need (Debian packages; more containerds and Prometheus under target/testbed), and says what it does.
setup:
	tests/setup

# The tests wait more than they compute, so more of them run at a time than there are processors.
test: export RUST_TEST_THREADS ?= $(shell expr 2 \* $$(nproc))
test: tools setup
	@rm -f $${TESTBED_DIR:-target/testbed}/skipped.txt
	cargo test --locked --workspace --no-fail-fast; status=$$?; tests/skipped; exit $$status

# Runs each fuzz target for that many seconds. `fuzz/run TARGET FILE` tries one input again. `make test` runs the
# targets too, for a short time and without a fuzzer.
FUZZ_SECONDS ?= 60

fuzz: tools
	@for target in $(basename $(notdir $(wildcard fuzz/fuzz_targets/*.rs))); do \
		echo "== $$target"; fuzz/run $$target $(FUZZ_SECONDS) || exit 1; done

# Starts a private containerd and registry, pulls through the shunt, and removes everything again.
demo: tools
	@demo/run

# Single steps, loading, pulls, the relay compared with others that are installed (haproxy, nginx, socat), and floods.
# The output of relay and pull is also saved in target/bench.
bench: tools setup
	cargo bench --locked --bench micro --bench load --bench pull --bench relay
	cargo test --locked --release --test floods -- --nocapture --test-threads 1

# What a release consists of, in target/dist: a binary that needs glibc 2.17 or later, tarball, deb and rpm for each
# architecture that can be built here, the image for that of this machine, lists of parts, checksums. The same commit gives
# the same bytes.
dist: tools
	packaging/dist/build

# Builds that, then builds it once more in another folder to compare, and tests the packages on a real systemd.
test-dist: dist
	tests/setup dist
	@rm -f $${TESTBED_DIR:-target/testbed}/skipped.txt
	cargo test --locked --test dist -- --ignored; status=$$?; tests/skipped; exit $$status

# DESTDIR and PREFIX work as usual. An existing configuration stays. Under sudo, the build runs as the user who called
# sudo: root may have no cargo, and should not own files in target. The program is renamed into place: somebody who starts
# it meanwhile, or systemd, gets the old one or the new one.
install: tools
ifeq ($(BINARY),)
	if [ "$$(id -u)" -eq 0 ] && [ "$${SUDO_USER:-root}" != root ]; then \
		sudo -H -u "$$SUDO_USER" sh -lc 'PROTOC=$(PROTOC) exec cargo build --release --locked'; \
	else cargo build --release --locked; fi
endif
	install -D -m 0755 $(or $(BINARY),$${CARGO_TARGET_DIR:-target}/release/cri-shunt) $(DESTDIR)$(PREFIX)/bin/.cri-shunt.new
	mv -f $(DESTDIR)$(PREFIX)/bin/.cri-shunt.new $(DESTDIR)$(PREFIX)/bin/cri-shunt
	install -D -m 0644 packaging/systemd/cri-shunt.service $(DESTDIR)$(UNITDIR)/cri-shunt.service
	install -D -m 0644 packaging/systemd/cri-shunt.socket $(DESTDIR)$(UNITDIR)/cri-shunt.socket
	install -D -m 0644 packaging/systemd/cri-shunt-drift.service $(DESTDIR)$(UNITDIR)/cri-shunt-drift.service
	install -D -m 0644 packaging/systemd/cri-shunt-drift.timer $(DESTDIR)$(UNITDIR)/cri-shunt-drift.timer
	sed -i 's|/usr/bin/cri-shunt|$(PREFIX)/bin/cri-shunt|' \
		$(DESTDIR)$(UNITDIR)/cri-shunt.service $(DESTDIR)$(UNITDIR)/cri-shunt-drift.service
	install -d -m 0755 $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/man/man5
	install -d -m 0755 $(DESTDIR)$(PREFIX)/share/doc/cri-shunt
	install -m 0644 packaging/man/*.1 $(DESTDIR)$(PREFIX)/share/man/man1/
	install -m 0644 packaging/man/*.5 $(DESTDIR)$(PREFIX)/share/man/man5/
	install -D -m 0644 packaging/completions/cri-shunt.bash \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/cri-shunt
	install -D -m 0644 packaging/completions/_cri-shunt $(DESTDIR)$(PREFIX)/share/zsh/vendor-completions/_cri-shunt
	install -D -m 0644 packaging/completions/cri-shunt.fish \
		$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/cri-shunt.fish
	cp -R docs packaging/examples packaging/prometheus packaging/grafana README.md CHANGELOG.md LICENSE $(DESTDIR)$(PREFIX)/share/doc/cri-shunt/
	test -e $(DESTDIR)$(SYSCONFDIR)/cri-shunt/config.toml || \
		install -D -m 0640 packaging/config.toml $(DESTDIR)$(SYSCONFDIR)/cri-shunt/config.toml
	install -d -m 0755 $(DESTDIR)$(SYSCONFDIR)/cri-shunt/conf.d

# Removes what `install` has installed, with the same DESTDIR and PREFIX. Stop the units first. What an administrator or
# the daemon has written stays: the configuration, /var/lib/cri-shunt, and containerd's hosts.toml files.
uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/cri-shunt
	rm -f $(DESTDIR)$(UNITDIR)/cri-shunt.service $(DESTDIR)$(UNITDIR)/cri-shunt.socket
	rm -f $(DESTDIR)$(UNITDIR)/cri-shunt-drift.service $(DESTDIR)$(UNITDIR)/cri-shunt-drift.timer
	rm -f $(patsubst packaging/man/%,$(DESTDIR)$(PREFIX)/share/man/man1/%,$(wildcard packaging/man/*.1))
	rm -f $(patsubst packaging/man/%,$(DESTDIR)$(PREFIX)/share/man/man5/%,$(wildcard packaging/man/*.5))
	rm -f $(DESTDIR)$(PREFIX)/share/bash-completion/completions/cri-shunt
	rm -f $(DESTDIR)$(PREFIX)/share/zsh/vendor-completions/_cri-shunt
	rm -f $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/cri-shunt.fish
	rm -rf $(DESTDIR)$(PREFIX)/share/doc/cri-shunt

# An OCI image for Kubernetes, as a file that nodes can import (docs/air-gap.md). `make dist` makes it of its own program, which
# also runs on nodes whose C library is old. With BINARY, which works as for `install`, it has that program. IMAGE names the file.
IMAGE ?=

image: $(if $(BINARY),,dist)
	$(if $(BINARY),build/image $(BINARY) $(or $(IMAGE),target/))
	$(if $(BINARY),,$(if $(IMAGE),cp target/dist/*.image.tar $(IMAGE)))

# Writes man pages and completions again, after a change of the command line; and the files for kustomize, after one of the chart.
generate: tools
	GENERATE=1 cargo test --quiet --locked --test generated the_committed
	"$$(build/helm)" tests/chart/render.py packaging/helm/cri-shunt --write packaging/kustomize

# Draws docs/dashboard.svg again, after a change of the dashboard. It takes six minutes, in which two nodes pull images.
picture: tools setup
	cargo test --locked --test metrics -- --ignored the_dashboard_is_drawn
