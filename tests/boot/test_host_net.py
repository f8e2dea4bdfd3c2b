"""Virtual interfaces as a host's user sees them: what domains are given, rules and what they count, coming and going.

Invariants
  - One host for the tests of a worker, with an interface whose cable we hold: the guests' other side is scapy.
  - Each test takes its domains away again.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.boot.harness import Images
from tests.boot.hosting import Record, make, until
from tests.support.ethernet import Talker, parsed, payload
from xengen.control.host import Host
from xengen.control.methods import Methods
from xengen.control.places import HostPlaces
from xengen.errors import UserError
from xengen.inspect.live import check_machine
from xengen.machine.nics import Cable, Datagrams, NicSpec
from xengen.machine.spec import MIB

WEB, DB = "00:16:3e:00:00:01", "00:16:3e:00:00:02"
WEB_IP, DB_IP, OURS, OTHER = "10.0.2.15", "10.0.2.16", "10.0.2.2", "10.0.3.3"
US = Talker("02:00:00:00:00:01", OURS, WEB, WEB_IP)
SOMEBODY_ELSE = Talker("02:00:00:00:00:01", OTHER, WEB, WEB_IP)


@pytest.fixture(scope="module")
def host(images: Images, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A host with a network interface."""
    places = HostPlaces(tmp_path_factory.mktemp("host"))
    nics = (NicSpec("virtio", Cable()),)
    with Host.boot(images.hypervisor(), images.guest("agent"), memory=128 * MIB, places=places, nics=nics) as host:
        yield host


@pytest.fixture
def methods(host: Host) -> Iterator[Methods]:
    """What can be asked of the host. Domains that a test leaves behind go, and what waits on the cable."""
    methods = Methods(host)
    yield methods
    for number in list(host.guests):
        host.destroy(str(number))
    until(lambda: [one["id"] for one in methods.domains()] == [0])
    assert methods.vifs() == []
    assert methods.store_ls("/local/domain") == []
    while host.machine.cables[0].receive(0.05) is not None:
        pass
    with host.lock:
        assert check_machine(host.machine) == []


def echo(methods: Methods, images: Images, nic: str, name: str = "web", address: str = WEB_IP) -> None:
    """Create a domain that answers, with that interface, and wait until it serves."""
    number = make(methods, name, images.guest("echo"), 8 * MIB, cmdline=f"ip={address}", nics=[nic])["id"]
    until(lambda: "echo" in methods.store_ls(f"/local/domain/{number}/data"))


def ask(host: Host, frame: bytes, seconds: float = 5.0) -> Any:
    """Send a frame over the cable; return the answer, parsed, or None when there is none."""
    host.machine.cables[0].send(frame)
    answer = host.machine.cables[0].receive(seconds)
    return None if answer is None else parsed(answer)


def counters(methods: Methods, *names: str, domain: str = "web") -> dict[str, int]:
    """Return what is counted for the only interface of a domain."""
    (found,) = methods.vifs(domain)
    return {name: found[name] for name in names}


def rule(methods: Methods, number: int | None, direction: str = "in") -> Record:
    """Return a rule of the domain web, or what becomes of the rest."""
    return next(one for one in methods.rules("web") if (one["direction"], one["place"]) == (direction, number))


# What a domain is given.


def test_an_interface_answers_and_is_shown_with_what_passed(methods: Methods, host: Host, images: Images) -> None:
    echo(methods, images, f"mac={WEB},ip={WEB_IP}")
    before = counters(methods, "tx_packets", "rx_packets")
    assert payload(ask(host, US.ping(1, b"hello"))) == b"hello"
    after = counters(methods, "tx_packets", "rx_packets")
    assert {name: after[name] - before[name] for name in after} == {"tx_packets": 1, "rx_packets": 1}
    (found,) = methods.vifs()
    assert (found["domain"], found["interface"], found["mac"], found["ip"], found["nic"], found["state"]) == (
        "web", 0, WEB, WEB_IP, 0, "connected"
    )  # fmt: skip
    (nic,) = methods.nics()
    assert (nic["mac"], nic["link"]) == ("52:54:00:12:34:56", True)
    assert nic["sent"] >= 1 and nic["received"] >= 1


def test_an_interface_without_an_address_gets_one_of_its_domains_own(methods: Methods, images: Images) -> None:
    for name in ("one", "two"):
        make(methods, name, images.guest("spin"), 4 * MIB, nics=["", "nic=none"])
    addresses = [one["mac"] for one in methods.vifs()]
    assert len(set(addresses)) == 4
    assert all(address.startswith("00:16:3e:") for address in addresses)
    assert [(one["domain"], one["interface"], one["nic"]) for one in methods.vifs()] == [
        ("one", 0, 0), ("one", 1, None), ("two", 0, 0), ("two", 1, None),
    ]  # fmt: skip


REFUSALS = [
    ("nic=7", "cannot make interface 0 for domain", "the host has no network interface 7"),
    (f"mac={DB}", "cannot make interface 0 for domain", f"{DB} is the address of another one on its wire"),
    ("mac=01:00:00:00:00:01", "cannot be the address of an interface", "it is one of a group"),
]


@pytest.mark.parametrize(("nic", "what", "why"), REFUSALS)
def test_an_interface_that_cannot_be_is_one_sentence_and_leaves_nothing(
    methods: Methods, images: Images, nic: str, what: str, why: str
) -> None:
    make(methods, "first", images.guest("spin"), 4 * MIB, nics=[f"mac={DB}"])
    with pytest.raises(UserError) as caught:
        make(methods, "web", images.guest("spin"), 4 * MIB, nics=[nic])
    assert what in str(caught.value) and why in str(caught.value)
    until(lambda: [one["name"] for one in methods.domains()][1:] == ["first"])
    assert [one["domain"] for one in methods.vifs()] == ["first"]


# What may come in.


def test_only_what_is_allowed_comes_in(methods: Methods, host: Host, images: Images) -> None:
    echo(methods, images, f"mac={WEB},ip={WEB_IP},allow=udp:7@10.0.2.0/24")
    assert ask(host, US.who_has()).psrc == WEB_IP
    assert payload(ask(host, US.datagram(b"one"))) == b"one"
    before = counters(methods, "filtered")["filtered"]
    for frame in (US.ping(1), US.datagram(b"two", port=9), SOMEBODY_ELSE.datagram(b"three"), US.segment(flags="S")):
        assert ask(host, frame, 0.1) is None
    assert counters(methods, "filtered")["filtered"] - before == 4
    assert rule(methods, 1) == {
        "direction": "in", "place": 1, "pattern": "type=ip protocol=udp source_ip=10.0.2.0/24 destination_port=7",
        "action": "accept", "target": "", "packets": 1, "bytes": 45,
    }  # fmt: skip
    assert rule(methods, None)["action"] == "drop"


def test_rules_come_and_go_while_the_domain_runs(methods: Methods, host: Host, images: Images) -> None:
    echo(methods, images, f"mac={WEB},ip={WEB_IP}")
    assert ask(host, US.ping(1)) is not None
    assert methods.rule_add("web", "icmp", "drop") == {"place": 0}
    assert methods.rule_add("web", f"icmp@{OTHER}", "accept", place=0) == {"place": 0}
    assert ask(host, US.ping(2), 0.1) is None
    assert rule(methods, 1)["packets"] == 1
    methods.rule_remove("web", 1)
    assert ask(host, US.ping(3)) is not None
    methods.policy("web", "drop")
    assert ask(host, US.ping(4), 0.1) is None
    methods.policy("web", "accept")
    assert ask(host, US.ping(5)) is not None


WRONG_RULES = [
    ({"pattern": "icmp", "action": "reject"}, "'reject' is none of accept, drop, redirect"),
    ({"pattern": "icmp", "direction": "up"}, "'up' is none of out, in"),
    ({"pattern": "icmp:7"}, "'icmp:7' is no pattern: ports from 1 to 65535 are of udp and tcp"),
    ({"pattern": "icmp", "to": "web"}, "only a rule that redirects is to somebody"),
    ({"pattern": "icmp", "action": "redirect", "to": "nobody"}, "no domain is called nobody"),
    ({"pattern": "icmp", "interface": 3}, "has no interface 3 of this toolstack's"),
]


@pytest.mark.parametrize(("asked", "words"), WRONG_RULES, ids=[words for _, words in WRONG_RULES])
def test_a_rule_that_cannot_be_is_one_sentence(
    methods: Methods, images: Images, asked: dict[str, Any], words: str
) -> None:
    make(methods, "web", images.guest("spin"), 4 * MIB, nics=[""])
    with pytest.raises(UserError) as caught:
        methods.rule_add("web", **asked)
    assert words in str(caught.value)
    with pytest.raises(UserError, match="has no rule 5 for what goes in"):
        methods.rule_remove("web", 5)


def test_a_rule_redirects_what_was_for_one_domain_to_another(methods: Methods, host: Host, images: Images) -> None:
    echo(methods, images, f"mac={WEB},ip={WEB_IP}")
    echo(methods, images, f"mac={DB},ip={DB_IP}", name="db", address=DB_IP)
    before = counters(methods, "rx_packets", domain="db")["rx_packets"]
    methods.rule_add("web", "udp:7", "redirect", to="db")
    ask(host, US.datagram(b"for web"), 0.1)
    assert counters(methods, "rx_packets", domain="db")["rx_packets"] == before + 1
    found = rule(methods, 0)
    assert (found["action"], found["target"], found["packets"]) == ("redirect", "db/0", 1)


def test_an_interface_sends_no_more_than_its_rate(methods: Methods, host: Host, images: Images) -> None:
    """The traffic generator asks as fast as it can, and waits for its credit."""
    line = "ip=10.0.2.16 to=10.0.2.15 count=300 rate=0 size=1000"
    echo(methods, images, f"mac={WEB},ip={WEB_IP}")
    make(methods, "asks", images.guest("traffic"), 8 * MIB, cmdline=line, nics=[f"mac={DB},ip={DB_IP},rate=200k"])
    until(lambda: counters(methods, "credit_waits", domain="asks")["credit_waits"] > 3)
    methods.rate("asks", "0")
    until(lambda: counters(methods, "tx_packets", domain="asks")["tx_packets"] >= 300)


# Coming and going.


def test_an_interface_comes_and_goes_while_its_domain_runs(methods: Methods, images: Images) -> None:
    make(methods, "web", images.guest("spin"), 4 * MIB)
    made = methods.nic_attach("web", f"mac={WEB}")
    assert (made["interface"], made["mac"], made["state"]) == (0, WEB, "init wait")
    assert methods.nic_detach("web", 0) == {"interface": 0, "closed": True}
    assert methods.vifs("web") == []


def test_what_a_domain_had_goes_with_it(methods: Methods, host: Host, images: Images) -> None:
    for _ in range(2):
        echo(methods, images, f"mac={WEB},ip={WEB_IP}")
        assert ask(host, US.ping(1)) is not None
        methods.destroy("web")
        until(lambda: len(methods.domains()) == 1)
    assert ask(host, US.ping(2), 0.1) is None


# Between machines.


def free_port() -> int:
    """Return a UDP port of this computer that nobody has now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_domains_of_two_hosts_talk_over_a_wire_of_datagrams(
    images: Images, tmp_path_factory: pytest.TempPathFactory
) -> None:
    one, two = free_port(), free_port()
    wires = {"virtio": Datagrams(one, two), "e1000": Datagrams(two, one)}
    with ExitStack() as hosts:
        ends = []
        for model, wire in wires.items():
            places = HostPlaces(tmp_path_factory.mktemp(model))
            nics = (NicSpec(model, wire),)
            kernels = images.hypervisor(), images.guest("agent")
            booted = Host.boot(*kernels, memory=64 * MIB, places=places, nics=nics)
            ends.append(Methods(hosts.enter_context(booted)))
        serves, asks = ends
        echo(serves, images, f"mac={WEB},ip={WEB_IP}")
        line = f"ip={DB_IP} to={WEB_IP} count=100 rate=1000 size=500"
        number = make(asks, "asks", images.guest("traffic"), 8 * MIB, cmdline=line, nics=[f"mac={DB},ip={DB_IP}"])["id"]
        data = f"/local/domain/{number}/data"
        until(lambda: "lost" in asks.store_ls(data), 60.0)
        sent, answered, lost = (int(asks.store_read(f"{data}/{name}")) for name in ("sent", "answered", "lost"))
        assert (sent, answered + lost) == (100, 100)
        assert answered > 90, "datagrams may be lost, but not many"
