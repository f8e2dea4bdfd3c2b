"""The fuzzer: agents in several domains do valid and hostile things, a model says what must come of them.

frames.py and model.py are the model; places.py and the modules of operations are what can be done; world.py carries
operations out and compares; rules.py has Hypothesis choose them; campaign.py goes on for minutes. See docs/fuzzing.md.
"""
