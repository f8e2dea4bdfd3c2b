"""xengen: generates, boots, tests and measures a paravirtualizing hypervisor for 32-bit x86."""

__version__ = "0.1.0"
