"""The exceptions that every layer raises.

Invariants
  - Whatever a user can cause by a wrong request, file or machine is a `UserError`: one sentence, and what to do.
  - Everything else that is raised on purpose is a `XengenError`; anything that is neither is a bug in xengen.
"""

from __future__ import annotations


class XengenError(Exception):
    """Base of all exceptions that xengen raises on purpose."""


class UserError(XengenError):
    """The request cannot be carried out as it was made. Its text is one sentence that a user can act on."""
