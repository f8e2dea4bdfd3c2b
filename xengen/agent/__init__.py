"""The agent guest from Python: hypercalls, memory accesses and code in ring 1 or 3 that feel like calls.

`Agent` (agent.py) is what one uses; below it are the mailbox protocol, the domain's memory, and snippets of assembly.
"""
