"""What operations cost: a guest measures, the harness steps through one of each, and both are put into one table."""
