"""The toolstack: domain 0's side of everything, in Python."""
