"""Virtual interfaces: credit, and what becomes of them when their domain or their page goes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.boot.grants import write_entry
from tests.boot.harness import BOOTER, Images
from tests.boot.reservations import record
from tests.boot.rings import until
from tests.boot.vif_host import NetHost
from tests.boot.vifs import IN, OKAY, OUT, REDIRECT, NetFront, Piece, frame
from xengen.abi.vif import VifCredit
from xengen.agent.mailbox import DomainDied
from xengen.agent.names import value
from xengen.inspect.live import check_machine, hypervisor_of

LONG_US = 4_000_000_000  # over an hour: no test waits for it
MOST_YIELDS = 400


@pytest.fixture
def short_lived(request: pytest.FixtureRequest, images: Images) -> Iterator[NetHost]:
    """A machine whose domains may end."""
    host = NetHost(images)
    request.node.stash[BOOTER] = host.booter
    yield host
    host.close()


def put_many(front: NetFront, to: bytes, count: int, size: int) -> None:
    """Put packets of one page into the ring, and kick."""
    page = front.page(frame(to, front.mac, size=size))
    for _ in range(count):
        front.put([Piece(page.ref, size)])
    front.push()


def test_credit_that_is_used_up_holds_packets_back_until_there_is_more(net_host: NetHost) -> None:
    one, other = net_host.connected(1), net_host.connected(2, buffers=8)
    one.credit(1000, LONG_US)
    put_many(one, other.mac, 5, 600)
    one.answers(2)
    assert (int(one.info().tx_packets), int(one.info().credit_waits)) == (2, 1), "1000 bytes, and what one went beyond"
    assert len(other.packets()) == 2
    one.kick()
    assert int(one.info().tx_packets) == 2, "a kick is no credit"
    one.credit(0, 0)
    one.answers(3)
    assert len(other.packets()) == 3


def test_credit_comes_again_with_every_period(net_host: NetHost) -> None:
    one, other = net_host.connected(1), net_host.connected(2, buffers=30)
    one.credit(1514, 200)
    put_many(one, other.mac, 30, 1514)
    one.answers(30)
    assert len(other.packets()) == 30
    assert int(one.info().credit_waits) >= 5
    assert (int(one.info().credit_bytes), int(one.info().credit_period_us)) == (1514, 200)


def test_one_that_has_no_credit_does_not_hold_up_others(net_host: NetHost) -> None:
    one, two, zero = net_host.connected(1), net_host.connected(2), net_host.connected(0, buffers=8)
    one.credit(60, LONG_US)
    put_many(one, zero.mac, 4, 60)
    one.answers(1)
    assert [two.send(frame(zero.mac, two.mac)) for _ in range(4)] == [OKAY] * 4
    assert len(zero.packets()) == 5


@pytest.mark.parametrize("size", [0, 0x80000000, 0xFFFFFFFF])
def test_credit_that_cannot_be_counted_is_refused(net_host: NetHost, size: int) -> None:
    one = net_host.connected(1)
    assert one.op("vif_credit", VifCredit(size, 1000)) == -value("EINVAL")


def test_an_interface_that_waits_for_credit_can_go(net_host: NetHost) -> None:
    one, other = net_host.connected(1), net_host.connected(2, buffers=2)
    one.credit(60, LONG_US)
    put_many(one, other.mac, 4, 60)
    one.answers(1)
    one.destroy()
    net_host.fronts.remove(one)
    assert hypervisor_of(net_host.machine).word("io_device_count") == 1


def test_a_grant_that_is_taken_back_meanwhile_changes_nothing_for_what_was_taken(net_host: NetHost) -> None:
    one, other = net_host.connected(1), net_host.connected(2, buffers=1)
    write_entry(one.agent, one.tx_ref, 0, 0, 0)
    assert one.send(data := frame(other.mac, one.mac)) == OKAY, "the ring is held"
    assert other.packets() == [data]


def end(host: NetHost, domain: int) -> None:
    """Have a domain shut itself down, and wait until it is gone."""
    with pytest.raises(DomainDied):
        host.agents[domain].hypercall("sched_op", value("SCHEDOP_shutdown"), [0])
    zero = host.agents[0]
    for _ in range(MOST_YIELDS):
        if domain not in [one.id for one in hypervisor_of(host.machine).domains()]:
            return
        zero.hypercall("sched_op", value("SCHEDOP_yield"), 0)
    raise AssertionError(f"domain {domain} is still there")


def test_with_a_domain_its_interfaces_go_and_the_others_stay(short_lived: NetHost) -> None:
    host = short_lived
    before = hypervisor_of(host.machine).word("free_frames")
    pages = int(record(host.agents[1]).nr_pages)
    one, two = host.connected(1), host.connected(2, buffers=4)
    zero = host.connected(0, buffers=4)
    two.rule(IN, REDIRECT, to=one)
    zero.rule(OUT, REDIRECT, to=one, place=0)
    one.credit(60, LONG_US)
    put_many(one, two.mac, 3, 60)
    end(host, 1)
    assert hypervisor_of(host.machine).word("io_device_count") == 2
    assert hypervisor_of(host.machine).word("free_frames") >= before + pages - 8
    assert [int(rules[0].action) for rules in (two.rules(IN), zero.rules(OUT))] == [1, 1], "what led to it drops"
    assert two.send(data := frame(zero.mac, two.mac)) == OKAY
    assert zero.packets() == [data]
    assert check_machine(host.machine) == []


def test_a_domain_that_ends_while_a_packet_goes_to_many_leaves_the_others_theirs(short_lived: NetHost) -> None:
    host = short_lived
    one, two, zero = host.connected(1), host.connected(2, buffers=40), host.connected(0, buffers=40)
    put_many(one, b"\xff" * 6, 40, 1000)
    end(host, 1)
    until(lambda: two.rx.header.rsp_prod == zero.rx.header.rsp_prod, "both to have got as many")
    assert len(two.packets()) == len(zero.packets())
    assert check_machine(host.machine) == []
