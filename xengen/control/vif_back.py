"""The back end of a virtual interface: what the handshake needs of the hypervisor, and what front ends read (ABI 11.6).

Invariants
  - The VIF exists in the hypervisor from `create` to `destroy`; it has rings between `connect` and `disconnect`.
  - Several queues and large packets to be cut up are not offered: front ends do without. Both ways to receive are, and
    the front end says which it wants.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from xengen.abi.symbols import assembler_symbols
from xengen.abi.vbd import VbdNothing
from xengen.abi.vif import VifConnect, VifCreate, VifCredit, VifInfo, VifPolicy, VifRule
from xengen.control.calls import Refused
from xengen.control.handshake import Front
from xengen.control.io_calls import IoCalls
from xengen.control.nic_shares import NO_NIC, NicShare
from xengen.control.ring_calls import connect, is_shut
from xengen.control.rules import Action, Direction, Pattern
from xengen.control.xenbus import State

_VALUES = assembler_symbols()
KIND = "vif"
PERIOD_US = 10_000
LAST = 0xFFFFFFFF
ARP = Pattern("arp")


@dataclass(frozen=True)
class Target:
    """Whom packets are redirected to: interface `handle` of a domain."""

    domain: int
    handle: int


@dataclass(frozen=True)
class VifBack:
    """A virtual interface of domain `domid`, its number `handle` there. mac: six bytes. nic: its wire's, or NO_NIC."""

    calls: IoCalls
    domid: int
    handle: int
    mac: bytes
    nic: int
    share: NicShare
    kind: str = KIND
    # One that is only INITIALISED may wait for us to stay in INIT_WAIT, before it says more (GNU Mach does).
    ready: frozenset[State] = frozenset({State.CONNECTED})

    def create(self) -> None:
        """Have the hypervisor make it, with its rules; nothing is left when it is Refused."""
        argument = VifCreate(nic=_VALUES["VIF_NO_NIC"] if self.nic == NO_NIC else self.nic)
        argument.mac[:] = list(self.mac)
        if self.share.ip is not None:
            argument.ip = int.from_bytes(self.share.ip.packed, "little")
        try:
            self.calls.make("vif_create", argument, "", domain=self.domid, handle=self.handle)
        except Refused as error:
            what = f"cannot make interface {self.handle} for domain {self.domid}"
            raise Refused(what, error.name, self._reasons().get(error.name, "")) from error
        try:
            if self.share.allow is not None:
                # Without ARP nobody finds it, so whoever allows anything allows that.
                for pattern in (ARP, *self.share.allow):
                    self.add_rule(Direction.IN, pattern, Action.ACCEPT)
                self.set_policy(Direction.IN, Action.DROP)
            if self.share.rate:
                self.set_rate(self.share.rate)
        except BaseException:
            self.destroy()
            raise

    def _reasons(self) -> dict[str, str]:
        return {
            "ENOENT": f"the host has no network interface {self.nic}",
            "EEXIST": f"{self.mac.hex(':')} is the address of another one on its wire",
        }

    # Rules.

    def add_rule(
        self, direction: Direction, pattern: Pattern, action: Action, place: int = LAST, target: Target | None = None
    ) -> int:
        """Put a rule at a place of its direction, the others moving on; return the place. Refused."""
        rule = VifRule(direction=direction.number, place=place, action=action.number)
        rule.value, rule.mask = pattern.facts(direction)
        if action is Action.REDIRECT:
            rule.target_domain = target.domain if target is not None else 0
            rule.target_handle = target.handle if target is not None else _VALUES["VIF_NO_NIC"]
        self._make("vif_rule_add", rule, f"cannot add a rule to {self._name}")
        return int(rule.place)

    def remove_rule(self, direction: Direction, place: int) -> None:
        """Remove the rule at a place; Refused."""
        rule = VifRule(direction=direction.number, place=place)
        self._make("vif_rule_remove", rule, f"{self._name} has no rule {place} for what goes {direction}")

    def set_policy(self, direction: Direction, action: Action) -> None:
        """Say what becomes of packets that no rule decides; Refused."""
        policy = VifPolicy(direction=direction.number, action=action.number)
        self._make("vif_policy", policy, f"cannot set the policy of {self._name}")

    def set_rate(self, rate: int) -> None:
        """Set how many bytes it may send in a second; 0: as many as it can. Refused."""
        period = PERIOD_US if rate else 0
        credit = VifCredit(bytes=max(1514, rate * PERIOD_US // 1_000_000) if rate else 0, period_us=period)
        self._make("vif_credit", credit, f"cannot set the rate of {self._name}")

    # The handshake.

    def configuration(self) -> tuple[Mapping[str, object], Mapping[str, object]]:
        """As Back."""
        mac = self.mac.hex(":")
        address = {"ip": self.share.ip} if self.share.ip is not None else {}
        front = {"handle": self.handle, "mac": mac, "mtu": 1500}
        return front, {"handle": self.handle, "mac": mac, "type": "vif", "bridge": "", "script": "", **address}

    def features(self) -> Mapping[str, object]:
        """As Back."""
        return {"feature-rx-copy": 1, "feature-rx-flip": 1, "feature-sg": 1, "feature-split-event-channels": 1}

    def connect(self, front: Front) -> Mapping[str, object]:
        """As Back."""
        tx, rx = ("event-channel-tx", "event-channel-rx") if front.text("event-channel-tx") else ("event-channel", "")
        flags = _VALUES["VIF_RX_COPY"] if front.flag("request-rx-copy") else 0
        flags |= _VALUES["VIF_NO_CHECKSUM"] if front.flag("feature-no-csum-offload") else 0
        argument = VifConnect(
            tx_ref=front.number("tx-ring-ref"), rx_ref=front.number("rx-ring-ref"), tx_port=front.number(tx),
            rx_port=front.number(rx) if rx else 0, flags=flags,
        )  # fmt: skip
        rings = f"the rings of {self._name}"
        connect(self.calls, "vif_connect", argument, rings, domain=self.domid, handle=self.handle)
        return {}

    def disconnect(self) -> bool:
        """As Back."""
        self.calls.try_to("vif_disconnect", VbdNothing(), domain=self.domid, handle=self.handle)
        info = self.info()
        return info is None or info.in_flight == 0

    def shut(self) -> str:
        """As Back."""
        return is_shut(self.info())

    def destroy(self) -> None:
        """As Back."""
        self.calls.try_to("vif_destroy", VbdNothing(), domain=self.domid, handle=self.handle)

    def info(self) -> VifInfo | None:
        """Return what the hypervisor knows of it; None when it is not there any more."""
        info = VifInfo()
        result = self.calls.try_to("vif_info", info, domain=self.domid, handle=self.handle)
        return info if result >= 0 else None

    @property
    def _name(self) -> str:
        return f"interface {self.handle} of domain {self.domid}"

    def _make(self, command: str, argument: VifRule | VifPolicy | VifCredit, what: str) -> None:
        self.calls.make(command, argument, what, domain=self.domid, handle=self.handle)
