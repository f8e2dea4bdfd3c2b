"""Virtual interfaces: wires, packets, pins, frames and waiting that do not belong together."""

from __future__ import annotations

from collections.abc import Callable

from tests.unit.inspect.image_memory import ABI, PAGE, WRITABLE
from tests.unit.inspect.plantings.base import Expected, Planting, World
from tests.unit.inspect.plantings.grants import active, table
from xengen.abi.hypervisor import Port
from xengen.abi.vif_records import Vif, VifInput, VifPacket, VifRuleRecord
from xengen.inspect.violation import Rule

PLACE, PORT, RX_PORT, TX_REF, RX_REF, DATA_REF = 1, 5, 6, 8, 9, 10
MAC = bytes((2, 0, 0, 0, 0, 1))


def vif(world: World, place: int = PLACE) -> Vif:
    """Give domain 1 a connected VIF on the wire without a NIC, with two ports; return it, live."""
    machine, one = world.machine, world.one
    block = machine.heap_page()
    made = machine.at(Vif, machine.heap_mfn(block) * PAGE)
    _word(world, "io_devices", block, place)
    machine.write("io_device_count", place)
    made.next = made.mac_next = machine.read("vif_list")
    machine.write("vif_list", block)
    _word(world, "vif_hashes", block)
    head = made.device
    head.kind, head.index, head.domain, head.handle = ABI["IO_VIF"], place, one.address, place
    made.mac[:] = MAC[:-1] + bytes((place,))
    if place == PLACE:
        head.state, head.port = ABI["IO_STATE_CONNECTED"], PORT
        for ring, ref, page, port in ((made.tx, TX_REF, 3, PORT), (made.rx, RX_REF, 5, RX_PORT)):
            _use(world, ref, one.pages[page], writable=True)
            ring.io.mfn, ring.io.ref, ring.port = one.pages[page], ref, port
            found = _port(world, port)
            found.state, found.remote = ABI["EVTCHNSTAT_hypervisor"], place
    return made


def packet(world: World, made: Vif) -> VifPacket:
    """A NIC sends a page of domain 1's; return the packet, live."""
    machine, mfn = world.machine, world.one.pages[4]
    block = machine.heap_page()
    machine.write("vif_made", block)
    found = machine.at(VifPacket, machine.heap_mfn(block) * PAGE)
    found.vif, found.in_flight, found.count = machine.read("vif_list"), 1, 1
    found.slots[0].ref, found.slots[0].mfn = DATA_REF, mfn
    made.device.in_flight = made.tx.io.req_cons = 1
    _use(world, DATA_REF, mfn, writable=False)
    return found


def _word(world: World, name: str, value: int, index: int = 0) -> None:
    start = world.machine.physical(name) + 4 * index
    world.machine.memory[start : start + 4] = value.to_bytes(4, "little")


def _use(world: World, ref: int, mfn: int, *, writable: bool) -> None:
    used = active(world, world.one, ref)
    used.writers, used.readers = (1, 0) if writable else (0, 1)
    world.machine.take(mfn, WRITABLE if writable else 0)
    table(world, world.one)


def _port(world: World, number: int) -> Port:
    machine = world.machine
    domain = machine.domain(world.one.address)
    if not domain.ports[0]:
        domain.ports[0] = machine.heap_page()
    return machine.at(Port, machine.heap_mfn(domain.ports[0]) * PAGE + 8 * number)


def _broken(
    break_it: Callable[[World, Vif, VifPacket], object], text: str, *, domain: int | None = 1,
    rule: Rule = Rule.INTERFACE,
) -> Callable[[World], Expected]:  # fmt: skip
    def plant(world: World) -> Expected:
        made = vif(world)
        break_it(world, made, packet(world, made))
        return Expected(rule, domain=domain, text=text)

    return plant


def _frame(name: str, text: str, *, given_back: bool) -> Callable[[World], Expected]:
    """A frame that is kept for packets, or queued with one, and that is free or there twice."""

    def plant(world: World) -> Expected:
        machine = world.machine
        mfn = machine.allocate()
        if name == "queued":
            machine.write("vif_input_prod", 1)
            machine.at(VifInput, machine.physical("vif_inputs")).mfn = mfn
        else:
            machine.write("vif_spares", mfn)
            machine.write("vif_spare_count", 1)
        if given_back:
            machine.free(mfn)
        elif name == "queued":
            machine.write("vif_spares", mfn)
            machine.write("vif_spare_count", 1)
        else:
            machine.write("vif_spare_count", 2)
            return Expected(Rule.INTERFACE, text=text)
        return Expected(Rule.INTERFACE, mfn, text=text)

    return plant


def _uncounted_pin(world: World, _: Vif, __: VifPacket) -> None:
    active(world, world.one, DATA_REF).readers = 0


def _unheld_page(world: World) -> Expected:
    packet(world, vif(world))
    world.machine.drop(world.one.pages[4])
    return Expected(Rule.REFERENCE_COUNT, world.one.pages[4], 1, text="a packet of VIF 1")


def _in_flight(_: World, made: Vif, __: VifPacket) -> None:
    made.device.in_flight = 2


def _answered(_: World, made: Vif, __: VifPacket) -> None:
    made.tx.io.rsp_prod = made.tx.told = 1


def _not_answered(_: World, made: Vif, __: VifPacket) -> None:
    made.rx.io.req_cons = 1


def _not_shown(_: World, made: Vif, __: VifPacket) -> None:
    made.rx.io.req_cons = made.rx.io.rsp_prod = 1


def _for_nobody(world: World, made: Vif, flight: VifPacket) -> None:
    flight.vif = 0
    made.device.in_flight = made.tx.io.req_cons = 0
    active(world, world.one, DATA_REF).readers = 0
    world.machine.drop(world.one.pages[4])


def _waits_in_no_list(_: World, made: Vif, __: VifPacket) -> None:
    made.waits = ABI["VIF_WAITS_FOR_ROOM"]


def _waits_without_timer(_: World, made: Vif, __: VifPacket) -> None:
    made.waits = ABI["VIF_WAITS_FOR_CREDIT"]


def _interrupted_by_nobody(_: World, made: Vif, __: VifPacket) -> None:
    made.waits = ABI["VIF_WAITS_FOR_RUN"]


def _touched(world: World, _: Vif, __: VifPacket) -> None:
    world.machine.write("vif_touched", world.machine.read("vif_list"))


def _rule(world: World, made: Vif) -> VifRuleRecord:
    made.rules[0] = world.machine.heap_page()
    return world.machine.at(VifRuleRecord, world.machine.heap_mfn(made.rules[0]) * PAGE)


def _rule_to_nothing(world: World, made: Vif, _: VifPacket) -> None:
    _rule(world, made).target = ABI["HEAP_START"]


def _rules_without_end(world: World, made: Vif, _: VifPacket) -> None:
    rule = _rule(world, made)
    rule.next = made.rules[0]


def _same_address(world: World, _: Vif, __: VifPacket) -> None:
    vif(world, PLACE + 1).mac[:] = MAC


def _not_listed(world: World, _: Vif, __: VifPacket) -> None:
    world.machine.write("vif_list", 0)


def _not_hashed(world: World, _: Vif, __: VifPacket) -> None:
    _word(world, "vif_hashes", 0)


def _second_port(world: World, made: Vif, _: VifPacket) -> None:
    made.rx.port = PORT


def _rings_without_state(world: World) -> Expected:
    made = vif(world)
    made.device.state, made.device.port = ABI["IO_STATE_SHUT"], 0
    for number in (PORT, RX_PORT):
        _port(world, number).state = ABI["EVTCHNSTAT_unbound"]
        _port(world, number).remote = 0
    return Expected(Rule.INTERFACE, domain=1, text="nothing is in flight, and it has a ring")


def _too_many_inputs(world: World, _: Vif, __: VifPacket) -> None:
    world.machine.write("vif_input_prod", ABI["VIF_INPUTS"] + 1)


PLANTINGS: tuple[Planting, ...] = (
    Planting("a pin of a packet that the entry does not count", _broken(_uncounted_pin, "entry 10", rule=Rule.GRANT)),
    Planting("a pin of a packet that the frame does not count", _unheld_page),
    Planting("a packet too many in flight", _broken(_in_flight, "2 packets are in flight, but 1 are found")),
    Planting("slots that are answered in flight", _broken(_answered, "0 slots are not answered, but 1 are in flight")),
    Planting("a buffer that was taken and not answered", _broken(_not_answered, "a buffer was taken")),
    Planting("responses that were not shown", _broken(_not_shown, "its receive ring were not shown")),
    Planting("a packet for nobody", _broken(_for_nobody, "in flight for nobody", domain=None)),
    Planting("an interface that waits in no list", _broken(_waits_in_no_list, "it waits for 1, and is 0 times")),
    Planting("an interface whose credit has no timer", _broken(_waits_without_timer, "its timer is not set")),
    Planting(
        "a turn that no run has interrupted", _broken(_interrupted_by_nobody, "1 interfaces say", domain=None)
    ),
    Planting("an interface with answers after a run", _broken(_touched, "is to be shown answers", domain=None)),
    Planting("a rule that leads to no interface", _broken(_rule_to_nothing, "a rule leads to an interface")),
    Planting(
        "rules without an end", _broken(_rules_without_end, "the rules of VIF 1", domain=None, rule=Rule.STRUCTURE)
    ),
    Planting(
        "one address twice on a wire", _broken(_same_address, "2 interfaces on one wire have the address", domain=None)
    ),
    Planting("an interface that is not listed", _broken(_not_listed, "vif_list has 0 interfaces", domain=None)),
    Planting("an interface without its hash", _broken(_not_hashed, "vif_hashes has 0 interfaces", domain=None)),
    Planting("a second port that is another's", _broken(_second_port, "port 6 leads to device 1", rule=Rule.CHANNEL)),
    Planting("an interface that is shut and has rings", _rings_without_state),
    Planting("a free frame with a packet in it", _frame("queued", "and it is another's", given_back=True)),
    Planting("a frame with a packet that is kept for one", _frame("queued", "twice", given_back=False)),
    Planting("a free frame that is kept for packets", _frame("kept", "and it is another's", given_back=True)),
    Planting("frames for packets that are not counted", _frame("kept", "vif_spare_count is 2", given_back=False)),
    Planting(
        "too many packets in the queue", _broken(_too_many_inputs, "257 packets", domain=None, rule=Rule.STRUCTURE)
    ),
)
