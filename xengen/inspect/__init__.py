"""Looks at a hypervisor in memory: typed views (`views`), and the checker of all that keeps guests in (`invariants`).

Everything but `live` works on plain bytes: no machine is needed. Nothing here shares logic with the hypervisor, only
the structures and constants of `xengen.abi`.
"""
