"""What can be asked of a host over its socket: names, numbers and texts in and out.

Invariants
  - Each method takes and returns what JSON can carry; a domain is named by its name or number.
  - When the machine has ended, whatever is asked is answered with one sentence that says so.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any

from xengen.abi.control import DomctlInfo
from xengen.abi.symbols import assembler_symbols
from xengen.control.disk_methods import DiskMethods
from xengen.control.guest import OnEnd, Recipe
from xengen.control.host import Host
from xengen.control.net_methods import NetMethods
from xengen.control.nic_shares import parse_nic
from xengen.control.reach import PAGE
from xengen.control.shares import parse_share
from xengen.errors import UserError
from xengen.store.errors import StoreError
from xengen.store.paths import Path as StorePath
from xengen.store.paths import home, parse

_VALUES = assembler_symbols()
CONSOLE_SECONDS = 0.02
_SENTENCES = {"ENOENT": "the store has no such node", "EINVAL": "that is no path of the store"}
SHUTDOWN_REASONS = ("poweroff", "reboot", "suspend", "crash", "watchdog", "soft reset")

Record = dict[str, Any]


class Methods(DiskMethods, NetMethods):
    """The methods of `host`. `on_down` ends the process that serves it."""

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self.on_down: Callable[[], None] = lambda: None

    # Domains.

    def domains(self) -> list[Record]:
        """Return a record for each domain."""
        with self._host.lock:
            return [self._record(info) for info in self._host.domains()]

    def look(self) -> Record:
        """Return the domains and the time at which that was, by domain 0's own clock (ns)."""
        with self._host.lock:
            found = self._host.domains()
            return {"now_ns": sum(found[0].run_time), "domains": [self._record(info) for info in found]}

    def info(self, domain: str) -> Record:
        """Return all that is known of a domain."""
        with self._host.lock:
            found = self._host.find(domain)
            guest = self._host.guests.get(found.domain)
            made_of = (
                {}
                if guest is None
                else {"image": guest.recipe.image, "cmdline": guest.recipe.cmdline, "uuid": guest.uuid}
            )
            states = ("running_ns", "runnable_ns", "blocked_ns", "offline_ns")
            counts = self._host.control.hypercall_counts(found.domain)
            times = dict(zip(states, found.run_time, strict=True))
            devices = self._devices_in_words(int(found.domain))
            return {**self._record(found), **made_of, **devices, **times, "hypercalls_by_name": counts}

    def create(
        self, name: str, image: str, memory: int, weight: int = 10, cmdline: str = "", initrd: str = "",
        paused: bool = False, on_crash: str = "destroy", most_memory: int = 0,
        disks: Sequence[str] = (), nics: Sequence[str] = (),
    ) -> Generator[Record, None, Record]:  # fmt: skip
        """Create a domain; yields {"uploaded", "bytes"} on the way, returns its record.

        disks, nics: what it gets of the host's (shares.py, nic_shares.py).
        """
        if on_crash not in tuple(OnEnd):
            raise UserError(f"on_crash is one of {', '.join(OnEnd)}, not {on_crash!r}")
        recipe = Recipe(
            name, image, memory, most_memory or memory, weight, cmdline, initrd, OnEnd(on_crash),
            tuple(parse_share(text) for text in disks), tuple(parse_nic(text) for text in nics),
        )  # fmt: skip
        creation = self._host.create(recipe, paused=paused)
        try:
            while True:
                done, whole = next(creation)
                yield {"uploaded": done, "bytes": whole}
        except StopIteration as end:
            with self._host.lock:
                return self._record(end.value)

    def pause(self, domain: str) -> Record:
        """Stop a domain."""
        return self._with(domain, self._host.control.pause)

    def unpause(self, domain: str) -> Record:
        """Let a domain run again."""
        return self._with(domain, self._host.control.unpause)

    def destroy(self, domain: str) -> Record:
        """End a domain; return what it was."""
        with self._host.lock:
            found = self._record(self._host.find(domain))
            self._host.destroy(domain)
            return found

    def sched(self, domain: str, **wanted: float) -> Record:
        """Set what is given of weight, warp_ms, warp_limit_ms, unwarp_ms; return all of them."""
        with self._host.lock:
            number = int(self._host.find(domain).domain)
            found = self._host.control.scheduling(number)
            if wanted:
                self._host.control.schedule(number, replace(found, **wanted))  # type: ignore[arg-type]
            return asdict(self._host.control.scheduling(number))

    def memory(self, domain: str, size: int | None = None) -> Record:
        """Ask a domain to have `size` bytes; return what it has and what it is to have."""
        with self._host.lock:
            found = self._host.find(domain)
            target = (*home(found.domain), "memory", "target")
            if size is not None:
                guest = self._host.guest(domain)
                if size > guest.recipe.most_memory:
                    self._host.control.set_max_pages(found.domain, size // PAGE)
                self._host.store.tree.write(0, target, str(size >> 10).encode())
            try:
                kilobytes = int(self._host.store.tree.read(0, target))
            except StoreError:
                kilobytes = found.pages * PAGE >> 10
            return {"memory": found.pages * PAGE, "target": kilobytes << 10}

    # Consoles.

    def watch_console(self, domain: str, follow: bool = True) -> Iterator[str]:
        """Yield what a domain has written and writes (Latin-1) until it is gone; without `follow` what there is."""
        guest = self._host.guest(domain)
        console, position = guest.services.console, 0
        while True:
            with self._host.lock:
                text, position = console.since(position), console.position
                there = self._host.guests.get(guest.number) is guest
            if text:
                yield text.decode("latin-1")
            if not follow or not there:
                return
            time.sleep(CONSOLE_SECONDS)

    def console_input(self, domain: str, text: str) -> None:
        """Have a domain read `text` (Latin-1) from its console."""
        with self._host.lock:
            self._host.guest(domain).services.console.waiting += text.encode("latin-1")

    def dmesg(self) -> str:
        """Return what the hypervisor has said."""
        return self._host.machine.transcript.hypervisor

    # The store.

    def store_ls(self, path: str) -> list[str]:
        """Return the names below a node."""
        return list(self._stored(self._host.store.tree.directory, path))

    def store_read(self, path: str) -> str:
        """Return a node's value, as Latin-1 text."""
        value: bytes = self._stored(self._host.store.tree.read, path)
        return value.decode("latin-1")

    def store_write(self, path: str, value: str) -> None:
        """Write a node's value, Latin-1 text."""
        self._stored(lambda domid, place: self._host.store.tree.write(domid, place, value.encode("latin-1")), path)

    def store_rm(self, path: str) -> None:
        """Remove a node and all below."""
        self._stored(self._host.store.tree.rm, path)

    # The machine.

    def machine(self) -> Record:
        """Return the machine's memory in bytes, how much is free, and how many domains there are."""
        with self._host.lock:
            found = self._host.control.machine()
        return {"memory": found.total_pages * PAGE, "free": found.free_pages * PAGE, "domains": found.domains}

    def down(self) -> None:
        """End the host."""
        self.on_down()

    # How it is done.

    def _with(self, domain: str, action: Callable[[int], None]) -> Record:
        with self._host.lock:
            found = self._host.find(domain)
            if found.domain == 0:
                raise UserError("domain 0 is the toolstack's own: it is not paused")
            action(int(found.domain))
            return self._record(self._host.find(str(found.domain)))

    def _stored(self, action: Callable[[int, StorePath], Any], path: str) -> Any:
        try:
            with self._host.lock:
                return action(0, parse(path.encode(), 0))
        except StoreError as error:
            raise UserError(f"{path}: {_SENTENCES.get(error.name, error.name)}") from error

    def _record(self, info: DomctlInfo) -> Record:
        """Return a record; the lock is held, so that the domain is still there."""
        return {
            "id": info.domain,
            "name": info.name.decode("ascii", "replace") or f"domain-{info.domain}",
            "state": state(info.flags),
            "reason": reason(info),
            "memory": info.pages * PAGE,
            "cpu_ns": info.run_time[0],
            "weight": self._host.control.scheduling(info.domain).weight,
            "upcalls": info.upcalls,
            "hypercalls": info.hypercalls,
        }


def state(flags: int) -> str:
    """Return what a domain is doing, in one word."""
    for word in ("crashed", "dying", "shutdown", "unbuilt", "paused", "blocked", "running"):
        if flags & _VALUES[f"DOMINF_{word}"]:
            return "died" if word == "crashed" else word
    return "runnable"


def reason(info: DomctlInfo) -> str:
    """Return why a domain has ended, or nothing."""
    if not info.flags & _VALUES["DOMINF_shutdown"]:
        return ""
    number = info.flags >> _VALUES["DOMINF_shutdown_shift"] & 0xFF
    known = SHUTDOWN_REASONS[number] if number < len(SHUTDOWN_REASONS) else str(number)
    return info.reason.decode("ascii", "replace") or known
