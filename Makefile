# Everything goes through .venv and the program `xengen` in it; these rules set that up and call it.
#
#   make run     build, boot the hypervisor, show two domains on one disk and one network
#   make test    the whole test suite            make lint    ruff, mypy --strict, assembly contracts
#   make build   the images, into build/         make iso     a bootable CD image
#   make clean   remove what was built           make setup   only install what is missing
#
# As root, missing Debian packages are installed (once, in one go); else one sentence says what to install.

PYTHON ?= python3
XENGEN := .venv/bin/xengen

# What must be there to run, and what the tests can also make use of.
RUN_PACKAGES := $(if $(shell command -v qemu-system-i386 2>/dev/null),,qemu-system-x86)
VENV_PACKAGES := $(if $(wildcard $(XENGEN)),,$(if $(shell $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null && echo yes),,python3-venv))
TEST_PACKAGES := \
    $(if $(shell command -v grub-mkrescue 2>/dev/null),,grub-common) \
    $(if $(wildcard /usr/lib/grub/i386-pc),,grub-pc-bin) \
    $(if $(wildcard /usr/lib/grub/i386-xen),,grub-xen-bin) \
    $(if $(shell command -v xorriso 2>/dev/null),,xorriso) \
    $(if $(shell command -v mformat 2>/dev/null),,mtools) \
    $(if $(shell command -v bochs 2>/dev/null),,bochs bochs-term) \
    $(if $(wildcard /usr/share/bochs/BIOS-bochs-latest),,bochsbios) \
    $(if $(wildcard /usr/share/vgabios/vgabios.bin),,vgabios)

.PHONY: run test lint build iso setup clean packages

run: setup
	@$(XENGEN) demo

build: setup
	@$(XENGEN) build

iso: setup
	@$(XENGEN) iso

test: WANTED := $(TEST_PACKAGES)
test: setup
	.venv/bin/pytest

lint: setup
	.venv/bin/ruff check .
	.venv/bin/mypy
	$(XENGEN) lint

setup: packages .venv/installed

.venv/installed: pyproject.toml | packages
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "xengen needs Python 3.11 or later: set PYTHON, as in make PYTHON=python3.12" >&2; exit 2; }
	@test -x .venv/bin/python || $(PYTHON) -m venv .venv
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

packages:
	@sh .ci/packages $(RUN_PACKAGES) $(VENV_PACKAGES) -- $(WANTED)

clean:
	rm -rf build .mypy_cache .ruff_cache .pytest_cache .hypothesis
