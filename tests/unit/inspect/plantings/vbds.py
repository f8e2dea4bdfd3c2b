"""Virtual block devices: ports, queues, requests, pins and extents that do not belong together."""

from __future__ import annotations

from collections.abc import Callable
from ctypes import addressof, memset, sizeof

from tests.unit.inspect.image_memory import ABI, PAGE, WRITABLE
from tests.unit.inspect.plantings.base import Expected, Planting, World
from tests.unit.inspect.plantings.grants import active, table
from xengen.abi.devices import Disk
from xengen.abi.hypervisor import Port
from xengen.abi.io import IoQueue
from xengen.abi.vbd import Vbd, VbdRequest
from xengen.inspect.violation import Rule

PLACE, PORT, RING_REF, DATA_REF = 1, 5, 8, 9


def vbd(world: World) -> Vbd:
    """Give domain 1 a connected VBD, without requests; return it, live."""
    machine, one = world.machine, world.one
    block, disk = machine.heap_page(), machine.heap_page()
    found = machine.at(Disk, machine.heap_mfn(disk) * PAGE)
    found.sectors, found.room = 4096, 16
    machine.write("disk_list", disk)
    made = machine.at(Vbd, machine.heap_mfn(block) * PAGE)
    start = machine.physical("io_devices") + 4 * PLACE
    machine.memory[start : start + 4] = block.to_bytes(4, "little")
    machine.write("io_device_count", 1)
    head = made.device
    head.kind, head.index, head.domain, head.handle = ABI["IO_VBD"], PLACE, one.address, 51712
    head.state, head.port = ABI["IO_STATE_CONNECTED"], PORT
    made.sectors = made.extents[0].sectors = 1024
    made.extents[0].disk, made.extent_count = disk, 1
    _use(world, RING_REF, one.pages[3], writable=True)
    made.ring.mfn, made.ring.ref = one.pages[3], RING_REF
    port = _port(world)
    port.state, port.remote = ABI["EVTCHNSTAT_hypervisor"], PLACE
    return made


def request(world: World, made: Vbd) -> VbdRequest:
    """Put a request in flight: a disk reads a page of domain 1's; return it, live."""
    machine, mfn = world.machine, world.one.pages[4]
    block = machine.heap_page()
    made.requests[0], made.request_count = block, 1
    made.device.in_flight = made.ring.req_cons = 1
    found = machine.at(VbdRequest, machine.heap_mfn(block) * PAGE)
    found.used, found.id, found.segments, found.pinned = ABI["VBD_REQUEST_AT_DISK"], 77, 1, 1
    found.refs[0], found.pieces[0].address, found.pieces[0].bytes = DATA_REF, mfn * PAGE, PAGE
    found.disk.count, found.disk.pieces[0].address, found.disk.pieces[0].bytes = 1, mfn * PAGE, PAGE
    _use(world, DATA_REF, mfn, writable=False)
    return found


def _use(world: World, ref: int, mfn: int, *, writable: bool) -> None:
    used = active(world, world.one, ref)
    used.writers, used.readers = (1, 0) if writable else (0, 1)
    world.machine.take(mfn, WRITABLE if writable else 0)
    table(world, world.one)


def _port(world: World) -> Port:
    machine = world.machine
    domain = machine.domain(world.one.address)
    if not domain.ports[0]:
        domain.ports[0] = machine.heap_page()
    return machine.at(Port, machine.heap_mfn(domain.ports[0]) * PAGE + PORT * sizeof(Port))


def _broken(
    rule: Rule, break_it: Callable[[World, Vbd, VbdRequest], None], text: str, *, domain: int | None = 1
) -> Callable[[World], Expected]:
    def plant(world: World) -> Expected:
        made = vbd(world)
        break_it(world, made, request(world, made))
        return Expected(rule, domain=domain, text=text)

    return plant


def _unpinned_page(world: World) -> Expected:
    """A page that a disk reads while its grant is not in use: nothing holds it."""
    made = vbd(world)
    flight = request(world, made)
    active(world, world.one, DATA_REF).readers = 0
    flight.pinned = 0
    world.machine.drop(world.one.pages[4])
    return Expected(Rule.RING, domain=1, text="that it does not pin")


def _uncounted_pin(world: World) -> Expected:
    made = vbd(world)
    request(world, made)
    active(world, world.one, DATA_REF).readers = 0
    return Expected(Rule.GRANT, domain=1, text="entry 9 has 0 readers and 0 writers")


def _unheld_page(world: World) -> Expected:
    made = vbd(world)
    request(world, made)
    world.machine.drop(world.one.pages[4])
    return Expected(Rule.REFERENCE_COUNT, world.one.pages[4], 1, text="request 77 of VBD 1")


def _another_domains_page(world: World) -> Expected:
    made = vbd(world)
    flight = request(world, made)
    mfn = world.zero.pages[4]
    world.machine.drop(world.one.pages[4])
    world.machine.take(mfn)
    flight.pieces[0].address = flight.disk.pieces[0].address = mfn * PAGE
    return Expected(Rule.GRANT, mfn, text="request 77 of VBD 1 uses a frame that is not its domain's")


def _port_of_another(world: World) -> Expected:
    vbd(world)
    _port(world).remote = PLACE + 1
    return Expected(Rule.CHANNEL, domain=1, text="port 5 leads to device 2, which does not lead back")


def _port_without_state(world: World) -> Expected:
    vbd(world)
    memset(addressof(_port(world)), 0, sizeof(Port))
    return Expected(Rule.CHANNEL, domain=1, text="VBD 1 has port 5, which does not lead to it")


def _queued_nowhere(_: World, made: Vbd, __: VbdRequest) -> None:
    made.device.queued = 1


def _in_two_queues(world: World, made: Vbd, _: VbdRequest) -> None:
    made.device.queued = 1
    for name, index in (("io_queues", ABI["IO_VBD"]), ("vbd_blocked", 1)):
        start = world.machine.physical(name) + index * sizeof(IoQueue)
        ends = world.machine.at(IoQueue, start)
        ends.first = ends.last = int.from_bytes(
            world.machine.memory[(at := world.machine.physical("io_devices") + 4 * PLACE) : at + 4], "little"
        )


def _another_place(_: World, made: Vbd, __: VbdRequest) -> None:
    made.device.index = 7


def _miscounted(world: World, _: Vbd, __: VbdRequest) -> None:
    world.machine.write("io_device_count", 3)


def _shut_with_a_port(_: World, made: Vbd, flight: VbdRequest) -> None:
    made.device.state, made.device.port = ABI["IO_STATE_SHUT"], PORT


def _in_flight(_: World, made: Vbd, __: VbdRequest) -> None:
    made.device.in_flight = 2


def _answered_twice(_: World, made: Vbd, __: VbdRequest) -> None:
    made.ring.rsp_prod = 1


def _free_in_flight(_: World, made: Vbd, __: VbdRequest) -> None:
    made.free = made.requests[0]


def _another_page(world: World, _: Vbd, flight: VbdRequest) -> None:
    flight.disk.pieces[0].address = world.one.pages[5] * PAGE


def _beyond_the_page(_: World, __: Vbd, flight: VbdRequest) -> None:
    flight.disk.pieces[0].bytes = 2 * PAGE


def _beyond_the_disk(_: World, made: Vbd, __: VbdRequest) -> None:
    made.extents[0].start = 4000


def _more_sectors(_: World, made: Vbd, __: VbdRequest) -> None:
    made.sectors = 2048


def _chain_without_end(_: World, made: Vbd, flight: VbdRequest) -> None:
    made.done = flight.next = made.requests[0]


def _too_many_requests(_: World, made: Vbd, __: VbdRequest) -> None:
    made.request_count = 33


PLANTINGS: tuple[Planting, ...] = (
    Planting("a page at a disk that is not pinned", _unpinned_page),
    Planting("a pin that the entry does not count", _uncounted_pin),
    Planting("a pin that the frame does not count", _unheld_page),
    Planting("a pin of another domain's page", _another_domains_page),
    Planting("a port that leads to another device", _port_of_another),
    Planting("a device whose port does not lead to it", _port_without_state),
    Planting("a device that is queued nowhere", _broken(Rule.DEVICE, _queued_nowhere, "is in 0 queues", domain=None)),
    Planting("a device in two queues", _broken(Rule.DEVICE, _in_two_queues, "is in 2 queues", domain=None)),
    Planting("a device in another's place", _broken(Rule.DEVICE, _another_place, "says that it is 7", domain=None)),
    Planting("devices that are not counted", _broken(Rule.DEVICE, _miscounted, "there are 1 devices", domain=None)),
    Planting("a device with a port that is shut", _broken(Rule.DEVICE, _shut_with_a_port, "has state 2, and port 5")),
    Planting("a request too many in flight", _broken(Rule.RING, _in_flight, "2 requests are in flight, but 1 in use")),
    Planting("a request that is answered and in use", _broken(Rule.RING, _answered_twice, "0 requests of its ring")),
    Planting("a free request that is in flight", _broken(Rule.RING, _free_in_flight, "say that they are free")),
    Planting("a page at a disk that is not the request's", _broken(Rule.RING, _another_page, "does not pin")),
    Planting("a piece across the end of a page", _broken(Rule.RING, _beyond_the_page, "8192 bytes")),
    Planting("an extent beyond its disk", _broken(Rule.EXTENT, _beyond_the_disk, "that is on no disk", domain=None)),
    Planting(
        "sectors that no extent has",
        _broken(Rule.EXTENT, _more_sectors, "has 2048 sectors, but its extents have 1024", domain=None),
    ),
    Planting(
        "requests without an end", _broken(Rule.STRUCTURE, _chain_without_end, "the done requests", domain=None)
    ),
    Planting("too many requests", _broken(Rule.STRUCTURE, _too_many_requests, "more requests or", domain=None)),
)
