"""What can be asked of a host about its networks: interfaces, rules and counters.

Invariants
  - As in methods.py: names, numbers and texts in and out; the host's lock is held around each look and each change.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TypeVar

from xengen.abi.symbols import assembler_symbols
from xengen.abi.vif import VifRule
from xengen.control.device_methods import DeviceMethods, Record
from xengen.control.io_calls import text_of
from xengen.control.nic_shares import NO_NIC, parse_nic
from xengen.control.rules import Action, Direction, action_of, described, parse_pattern
from xengen.control.shares import SECTOR, sectors
from xengen.control.vif_back import KIND as VIF
from xengen.control.vif_back import LAST, Target, VifBack
from xengen.errors import UserError

_VALUES = assembler_symbols()

Word = TypeVar("Word", bound=StrEnum)


class NetMethods(DeviceMethods):
    """The methods of a host that are about networks."""

    def nics(self) -> list[Record]:
        """Return a record for each network interface of the host."""
        with self._host.lock:
            return [
                {
                    "nic": number, "name": text_of(bytes(info.name)), "mac": bytes(info.mac).hex(":"),
                    "link": bool(info.flags & _VALUES["NIC_LINK_UP"]), "sent": info.sent, "received": info.received,
                    "dropped": info.dropped, "errors": info.errors, "bytes_sent": info.bytes_sent,
                    "bytes_received": info.bytes_received,
                }
                for number, info in enumerate(self._host.devices.calls.nics())
            ]  # fmt: skip

    def vifs(self, domain: str = "") -> list[Record]:
        """Return a record for each virtual interface of a domain, or of all."""
        with self._host.lock:
            numbers = [int(self._host.find(domain).domain)] if domain else sorted(self._host.guests)
            return [self._vif(back) for number in numbers for back in self._host.devices.vifs(number)]

    def nic_attach(self, domain: str, share: str) -> Record:
        """Give a domain that is there a virtual interface (nic_shares.py); return its record."""
        wanted = parse_nic(share)
        with self._host.lock:
            guest = self._host.guest(domain)
            handshake = self._host.devices.attach_nic(guest.number, wanted, guest.uuid)
            assert isinstance(handshake.back, VifBack)
            return self._vif(handshake.back)

    def nic_detach(self, domain: str, interface: int = 0) -> Record:
        """Take a virtual interface away; its front end has DETACH_SECONDS to close. Returns whether it did."""
        return {"interface": interface, "closed": self._detach(domain, VIF, interface)}

    def rules(self, domain: str, interface: int = 0) -> list[Record]:
        """Return the rules of an interface with what each has decided, and what becomes of the rest."""
        with self._host.lock:
            back = self._interface(domain, interface)
            found = [self._rule(way, rule) for way in Direction for rule in self._rules(back, way)]
            info = back.info()
            policies = [] if info is None else list(info.policies)
        rest = [
            {"direction": str(direction), "place": None, "pattern": "the rest", "action": str(action_of(policy)),
             "target": "", "packets": None, "bytes": None}
            for direction, policy in zip((Direction.OUT, Direction.IN), policies, strict=False)
        ]  # fmt: skip
        return sorted(found + rest, key=lambda one: (one["direction"], one["place"] is None, one["place"]))

    def rule_add(
        self, domain: str, pattern: str, action: str = "accept", direction: str = "in", interface: int = 0,
        place: int | None = None, to: str = "",
    ) -> Record:  # fmt: skip
        """Add a rule before the one at `place`, or behind all; `to`: DOMAIN[/INTERFACE], whom it redirects to."""
        what, way, asked = _one_of(Action, action), _one_of(Direction, direction), parse_pattern(pattern)
        if (what is Action.REDIRECT) < bool(to):
            raise UserError("only a rule that redirects is to somebody")
        with self._host.lock:
            target = self._target(to) if to else None
            back = self._interface(domain, interface)
            return {"place": back.add_rule(way, asked, what, LAST if place is None else place, target)}

    def rule_remove(self, domain: str, place: int, direction: str = "in", interface: int = 0) -> None:
        """Remove the rule at a place."""
        with self._host.lock:
            self._interface(domain, interface).remove_rule(_one_of(Direction, direction), place)

    def policy(self, domain: str, action: str, direction: str = "in", interface: int = 0) -> None:
        """Say what becomes of packets that no rule decides."""
        with self._host.lock:
            self._interface(domain, interface).set_policy(_one_of(Direction, direction), _one_of(Action, action))

    def rate(self, domain: str, rate: str, interface: int = 0) -> None:
        """Set how much an interface may send in a second, such as 1M; 0: as much as it can."""
        size = sectors(rate) * SECTOR
        with self._host.lock:
            self._interface(domain, interface).set_rate(size)

    def _interface(self, domain: str, interface: int) -> VifBack:
        back = self._host.devices.find(int(self._host.find(domain).domain), VIF, interface).back
        assert isinstance(back, VifBack)
        return back

    def _target(self, text: str) -> Target:
        name, _, interface = text.partition("/")
        if interface and not interface.isdigit():
            raise UserError(f"{text!r} is no target: write DOMAIN or DOMAIN/INTERFACE")
        back = self._interface(name, int(interface or 0))
        return Target(back.domid, back.handle)

    def _rules(self, back: VifBack, direction: Direction) -> list[VifRule]:
        return list(self._host.devices.calls.rules(back.domid, back.handle, direction.number))

    def _rule(self, direction: Direction, rule: VifRule) -> Record:
        redirects = rule.action == Action.REDIRECT.number
        to_wire = rule.target_handle == _VALUES["VIF_NO_NIC"]
        target = "the wire" if to_wire else f"{self._name(rule.target_domain)}/{rule.target_handle}"
        return {
            "direction": str(direction), "place": rule.place, "pattern": described(rule.value, rule.mask),
            "action": str(action_of(rule.action)), "target": target if redirects else "", "packets": rule.packets,
            "bytes": rule.bytes,
        }  # fmt: skip

    def _vif(self, back: VifBack) -> Record:
        info = back.info()
        counters = ("tx_packets", "tx_bytes", "rx_packets", "rx_bytes", "spoofed", "filtered", "tx_errors", "tx_lost",
                    "rx_no_buffer", "rx_errors", "credit_waits", "flipped", "in_flight", "events", "kicks")  # fmt: skip
        return {
            "domain": self._name(back.domid), "interface": back.handle, "mac": back.mac.hex(":"),
            "ip": str(back.share.ip or ""), "nic": None if back.nic == NO_NIC else back.nic, "state": self._state(back),
            **({} if info is None else {name: getattr(info, name) for name in counters}),
        }  # fmt: skip


def _one_of(words: type[Word], text: str) -> Word:
    """Return the word that `text` is; UserError."""
    known = [str(word) for word in words]
    if text not in known:
        raise UserError(f"{text!r} is none of {', '.join(known)}")
    return words(text)
