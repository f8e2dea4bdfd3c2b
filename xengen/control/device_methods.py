"""What the methods about disks and about networks have in common: names, states, and how a device is taken away.

Invariants
  - As in methods.py: names, numbers and texts in and out; the host's lock is held around each look and each change.
"""

from __future__ import annotations

import time
from typing import Any

from xengen.control.host import Host
from xengen.control.vbd_back import VbdBack
from xengen.control.vif_back import VifBack
from xengen.control.xenbus import State

DETACH_SECONDS = 5.0
LOOK_SECONDS = 0.01

Record = dict[str, Any]


class DeviceMethods:
    """The methods of `host` that are about devices: their base."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def _detach(self, domain: str, kind: str, handle: int) -> bool:
        with self._host.lock:
            number = int(self._host.find(domain).domain)
            handshake = self._host.devices.find(number, kind, handle)
            handshake.ask_to_close()
        deadline = time.monotonic() + DETACH_SECONDS
        while True:
            with self._host.lock:
                gone = handshake.gone
                if handshake not in self._host.devices.held(number):
                    return True  # its domain has gone meanwhile
                if gone or time.monotonic() > deadline:
                    self._host.devices.remove(number, handshake)
                    return gone
            time.sleep(LOOK_SECONDS)

    def _devices_in_words(self, number: int) -> Record:
        """Return a domain's disks and interfaces, a sentence each, "" for none."""
        devices = self._host.devices
        disks = [f"{one.device} {'rw' if one.writable else 'r'} {self._state(one)}" for one in devices.vbds(number)]
        nics = [f"{one.handle} {one.mac.hex(':')} {self._state(one)}" for one in devices.vifs(number)]
        return {"disks": ", ".join(disks), "interfaces": ", ".join(nics)}

    def _name(self, number: int) -> str:
        guest = self._host.guests.get(number)
        return guest.recipe.name if guest is not None else str(number)

    def _state(self, back: VbdBack | VifBack) -> str:
        """Return the state of the handshake in a word, with the reason where it was refused."""
        handshake = self._host.devices.find(back.domid, back.kind, back.handle)
        error = handshake.front.text("error") if handshake.state in (State.CLOSING, State.CLOSED) else ""
        word = handshake.state.name.lower().replace("_", " ")
        return f"{word} ({error})" if error else word
