"""Many domains: 128 of 4 MB at once in 1 GB, all making progress, at 16 KB of the hypervisor's memory each at the most.

Invariants
  - Counters are read from the guests' memory; once the domains run, nobody needs domain 0.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest

from tests.boot.harness import Booter, Images
from xengen.agent.agent import Agent
from xengen.bench.domains import MOST_BYTES, measure_domains
from xengen.bench.sched import Files
from xengen.control.calls import Control
from xengen.control.reach import PAGE, Near
from xengen.inspect.live import check_machine
from xengen.machine.machine import Machine
from xengen.machine.spec import MIB, Module

DOMAINS = 128
PAGES = 4 * MIB // PAGE
COUNTER = re.compile(r"^\(d\d+\) spin: counter at machine address 0x(\w+)$", re.MULTILINE)
NAP_SECONDS = 0.02


@pytest.fixture(scope="module")
def machine(images: Images) -> Iterator[Machine]:
    """A machine of 1 GB where 128 domains have been built; `heap_before` and `heap_after` tell what they took."""
    booter = Booter(images)
    spin = Module(images.guest("spin"), "--image")
    yield booter("agent", spin, append="dom0_mem=16M", memory=1024 * MIB, trace=False)
    booter.close()


def test_128_domains_run_at_once_and_take_16_kb_each_at_the_most(machine: Machine) -> None:
    with Agent(machine, alone=True) as agent:
        control = Control(Near(agent))
        (image,) = control.images()
        before = control.machine().heap_pages
        domains = [control.create(f"spin{number}", bytes(16), 0) for number in range(DOMAINS)]
        for domain in domains:
            control.build(domain, image, PAGES, "")
        assert (control.machine().heap_pages - before) * PAGE <= DOMAINS * MOST_BYTES
        assert check_machine(machine) == []
        for domain in domains:
            control.unpause(domain)
    counters: list[int] = []
    while len(counters) < DOMAINS:
        assert machine.ending() is None
        time.sleep(NAP_SECONDS)
        counters = [int(address, 16) for address in COUNTER.findall(machine.console.text)]
    first = [machine.memory.u64(address) for address in counters]
    while any(machine.memory.u64(address) <= old for address, old in zip(counters, first, strict=True)):
        assert machine.ending() is None
        time.sleep(NAP_SECONDS)
    assert check_machine(machine) == []


def test_what_domains_cost_is_measured(images: Images) -> None:
    files = Files(images.hypervisor(debug=False), images.guest("agent"), images.guest("spin"))
    few = list(measure_domains(files, (1, 4)))
    assert [cost.domains for cost in few] == [1, 4]
    for cost in few:
        assert not cost.missed
        # The least that a domain takes: DOMAIN, VCPU, shared_info and the window's table; and its 4 MB are zeroed.
        assert cost.bytes_each >= 3 * PAGE
        assert cost.build > PAGES * PAGE // 4
