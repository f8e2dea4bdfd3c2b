"""What a packet costs in a driver, in instructions: its own routines and those of its queues, nothing behind them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.boot.harness import Booter
from tests.boot.nic_echo import EchoImages
from tests.boot.nics import MODELS, frames, nic, stepping, until, with_cable
from xengen.agent.agent import Agent
from xengen.bench.trace import parse_log
from xengen.machine.machine import Machine
from xengen.machine.symbols import SymbolTable

PACKETS = 16
WARM = 16

# Routines whose instructions are counted for a packet, by model: to send it, to see it through, to receive it.
QUEUE = ("virtqueue_add", "virtqueue_put", "virtqueue_kick", "virtqueue_get")
ROUTINES = {
    "e1000": ("nic_send", "e1000_send", "e1000_sent", "nic_sent", "e1000_received", "e1000_take", "nic_received"),
    "virtio": (
        "nic_send", "virtio_net_send", "virtio_net_sent", "nic_sent", "virtio_net_received", "virtio_net_take",
        "virtio_net_offer", "nic_received", *QUEUE,
    ),
}  # fmt: skip

# A packet of two pieces that comes in and goes out; each alone, so with all that a run costs.
MOST = {"e1000": 180, "virtio": 420}


def echo(machine: Machine, count: int, size: int) -> None:
    """Send frames one by one, and wait until each has come back and is through."""
    for frame in frames(1, count, (size,)):
        wanted = nic(machine).record.sent + 1
        machine.cables[0].send(frame)
        assert machine.cables[0].receive(30.0) == frame
        until(lambda: nic(machine).record.sent == wanted, "it is through")  # noqa: B023 - called in this turn only


@pytest.mark.parametrize("model", MODELS)
def test_what_a_packet_costs_is_bounded_and_does_not_grow_with_it(tmp_path: Path, model: str) -> None:
    booter = Booter(EchoImages(tmp_path))
    try:
        machine = booter("agent", nics=[with_cable(model)], debug=False)
        with Agent(machine):
            echo(machine, WARM, 98)
            costs = {size: cost(machine, tmp_path / f"{size}.log", model, size) for size in (60, 98)}
    finally:
        booter.close()
    assert all(0 < found <= MOST[model] for found in costs.values())
    assert abs(costs[60] - costs[98]) <= costs[60] / 20, "but for a run that found nothing"


def cost(machine: Machine, log: Path, model: str, size: int) -> int:
    """Return the instructions of the driver for one packet in and out."""
    assert machine.spec.kernel is not None
    symbols = SymbolTable.from_file(machine.spec.kernel)
    with stepping(machine, log):
        echo(machine, PACKETS, size)
    counted: Counter[str] = Counter()
    for address, ring in parse_log(log.read_text(encoding="ascii", errors="replace")):
        nearest = symbols.nearest(address) if ring == 0 else None
        if nearest is not None:
            counted[nearest.name] += 1
    print(model, size, {name: counted[name] / PACKETS for name in ROUTINES[model]})
    return round(sum(counted[name] for name in ROUTINES[model]) / PACKETS)
