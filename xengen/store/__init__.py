"""The store of domains' configuration (xenstore): a tree of small values with owners, watches and transactions."""
