"""Domain 0's own ends of a domain's pages and ports: what its console and its store are served through.

Invariants
  - What was mapped or bound is let go when the stack of ends is closed, and not before.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

from xengen.abi.event import EvtchnBindInterdomain, EvtchnClose, EvtchnSend
from xengen.abi.symbols import assembler_symbols
from xengen.control.calls import Refused
from xengen.control.reach import Reach, SharedPage

_VALUES = assembler_symbols()


@dataclass(frozen=True)
class OwnEnds:
    """The ends that lead to domain `number`, until `ends` is closed."""

    reach: Reach
    number: int
    ends: ExitStack

    def page(self, mfn: int) -> SharedPage:
        """Return a page of the domain's."""
        page = self.reach.page(self.number, mfn)
        self.ends.callback(self.reach.let_go, page)
        return page

    def bell(self, remote_port: int) -> Callable[[], int]:
        """Bind to a port of the domain's; return what sends it an event. Refused."""
        binding = EvtchnBindInterdomain(remote_dom=self.number, remote_port=remote_port)
        result = self._event("bind_interdomain", binding)
        if result != 0:
            raise Refused(f"cannot bind to port {remote_port} of domain {self.number}", repr(result))
        self.ends.callback(self._event, "close", EvtchnClose(port=binding.local_port))
        return partial(self._event, "send", EvtchnSend(port=binding.local_port))

    def _event(self, command: str, argument: EvtchnBindInterdomain | EvtchnClose | EvtchnSend) -> int:
        return self.reach.hypercall("event_channel_op", _VALUES[f"EVTCHNOP_{command}"], argument)
