"""A host that shows what it can: two domains on one disk and one network, and this computer as their neighbour."""
