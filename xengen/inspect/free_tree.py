"""The rule about the tree of free frames: it says of blocks what the bitmap says of frames (mm/frames.s)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from xengen.inspect import layout
from xengen.inspect.survey import Survey
from xengen.inspect.views import Flags
from xengen.inspect.violation import Rule, Violation

WORD = 32


def free_tree(survey: Survey) -> Iterator[Violation]:
    """A bit of the tree is set exactly while all frames below it are free, and a bit for each word that is not zero."""
    leaves, hypervisor = layout.FRAME_LEAVES, survey.hypervisor
    row: Flags = np.zeros(leaves, dtype=np.bool_)
    row[: len(survey.free)] = survey.free
    tree = np.zeros(2 * leaves, dtype=np.bool_)
    tree[leaves:] = row
    for order in range(1, layout.MAX_EXTENT_ORDER + 1):
        row = np.asarray(row.reshape(-1, 2).all(axis=1), dtype=np.bool_)
        tree[leaves >> order : 2 * leaves >> order] = row
    said = _bits(hypervisor.read(hypervisor.symbol("frame_tree"), leaves // 8))
    for bit in np.flatnonzero(said != tree[:leaves]):
        order = layout.FRAME_LEAVES.bit_length() - int(bit).bit_length()
        first = (int(bit) << order) - leaves
        detail = f"the tree has {1 << order} frames from here on as {'free' if said[bit] else 'not all free'}"
        yield Violation(Rule.FREE_TREE, detail, max(first, 0))
    words = _bits(hypervisor.read(hypervisor.symbol("frame_tree_words"), 2 * leaves // WORD // 8))
    for word in np.flatnonzero(words != tree.reshape(-1, WORD).any(axis=1)):
        state = "not zero" if words[word] else "zero"
        yield Violation(Rule.FREE_TREE, f"frame_tree_words has word {int(word):#x} of the tree as {state}")
    hint = hypervisor.word("frame_hint")
    if survey.free[: max(0, (hint - leaves // WORD // WORD) * WORD * WORD)].any():
        yield Violation(Rule.FREE_TREE, f"frame_hint is {hint:#x}, but frames before it are free")


def _bits(data: bytes) -> Flags:
    return np.unpackbits(np.frombuffer(data, dtype=np.uint8), bitorder="little").astype(np.bool_)
