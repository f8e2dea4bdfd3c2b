"""`xengen disk` and `xengen net`, with a host that is none: what they ask for, and what they show."""

from __future__ import annotations

import json
import shlex
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.conftest import Xengen
from xengen.cli.status import ExitStatus
from xengen.control.partitions import make_mbr
from xengen.control.places import places
from xengen.control.server import Server

DISK: dict[str, Any] = {
    "disk": 0, "name": "web.img", "driver": "disk0", "file": "/x/web.img", "sectors": 131072, "read_only": False,
    "reads": 3, "writes": 4, "errors": 0, "sectors_moved": 56, "scheme": "mbr",
    "partitions": [{"partition": 1, "start": 2048, "sectors": 65536, "kind": "FAT16", "name": ""}],
    "extents": [{"domain": "web", "device": "xvda", "start": 0, "sectors": 131072, "right": "rw"}],
}  # fmt: skip
VBD: dict[str, Any] = {
    "domain": "web", "device": "xvda", "handle": 51712, "state": "connected", "right": "rw", "sectors": 2048,
    "reads": 5, "writes": 6, "errors": 0, "refused": 1, "events": 9,
}  # fmt: skip
NIC = {
    "nic": 0, "name": "e1000", "mac": "52:54:00:12:34:56", "link": True, "sent": 7, "received": 8, "dropped": 0,
    "errors": 0, "bytes_sent": 700, "bytes_received": 800,
}  # fmt: skip
VIF: dict[str, Any] = {
    "domain": "web", "interface": 0, "mac": "00:16:3e:00:00:01", "ip": "10.0.2.15", "nic": None, "state": "connected",
    "tx_packets": 1, "rx_packets": 2, "spoofed": 3, "filtered": 4, "rx_no_buffer": 5,
}  # fmt: skip
RULES: list[dict[str, Any]] = [
    {"direction": "in", "place": 0, "pattern": "type=arp", "action": "accept", "target": "", "packets": 1, "bytes": 60},
    {"direction": "in", "place": None, "pattern": "the rest", "action": "drop", "target": "", "packets": None,
     "bytes": None},
]  # fmt: skip


class FakeHost:
    """Answers as a host does, and notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.closed = True

    def disks(self) -> list[dict[str, Any]]:
        return [DISK]

    def vbds(self, domain: str) -> list[dict[str, Any]]:
        return [VBD]

    def nics(self) -> list[dict[str, Any]]:
        return [NIC]

    def vifs(self, domain: str = "") -> list[dict[str, Any]]:
        return [VIF]

    def rules(self, **arguments: Any) -> list[dict[str, Any]]:
        return RULES

    def disk_attach(self, **arguments: Any) -> dict[str, Any]:
        self.asked.append(("disk_attach", arguments))
        return VBD

    def disk_detach(self, **arguments: Any) -> dict[str, Any]:
        self.asked.append(("disk_detach", arguments))
        return {"device": "xvda", "closed": self.closed}

    def nic_attach(self, **arguments: Any) -> dict[str, Any]:
        self.asked.append(("nic_attach", arguments))
        return VIF

    def nic_detach(self, **arguments: Any) -> dict[str, Any]:
        self.asked.append(("nic_detach", arguments))
        return {"interface": 0, "closed": self.closed}

    def rule_add(self, **arguments: Any) -> dict[str, Any]:
        self.asked.append(("rule_add", arguments))
        return {"place": 3}

    def rule_remove(self, **arguments: Any) -> None:
        self.asked.append(("rule_remove", arguments))

    def policy(self, **arguments: Any) -> None:
        self.asked.append(("policy", arguments))

    def rate(self, **arguments: Any) -> None:
        self.asked.append(("rate", arguments))


@pytest.fixture(autouse=True)
def runtime(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder for sockets that is this test's own."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def host() -> Iterator[FakeHost]:
    """A host called default."""
    target = FakeHost()
    server = Server(target, places().socket)
    thread = threading.Thread(target=server.serve)
    thread.start()
    yield target
    server.stop()
    thread.join(10)


VERBS = [["disk"], ["disk", "attach", "web", "x.img"], ["net"], ["net", "rules", "web"]]


@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_without_a_host_a_verb_says_how_to_start_one(xengen: Xengen, words: list[str]) -> None:
    said = xengen(*words)
    assert (said.status, said.out) == (ExitStatus.MISUSE, "")
    assert said.err == "no host is running: start one with xengen up\n"


@pytest.mark.parametrize("verb", ["disk", "net"])
def test_each_verb_has_help_with_an_example(xengen: Xengen, verb: str) -> None:
    assert f"Example: xengen {verb}" in xengen(verb, "--help").out


# Disks.


def test_an_image_is_made_and_has_no_partitions_yet(xengen: Xengen, tmp_path: Path) -> None:
    path = tmp_path / "web.img"
    assert xengen("disk", "create", str(path), "8M").out == f"{path} is an empty disk of 8M\n"
    assert path.stat().st_size == 8 << 20
    assert xengen("disk", "partitions", str(path)).out == f"{path} has no partition table\n"
    again = xengen("disk", "create", str(path), "8M")
    assert (again.status, again.err) == (2, f"{path} is there already: remove it first, or give another name\n")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("create", "x.img"), "xengen disk create wants FILE SIZE"),
        (("create", "x.img", "big"), "'big' is no size: write one such as 64M, or 2048s for sectors"),
        (("create", "x.img", "0"), "a disk has at least one sector, and 0 is less: say, 64M"),
        (("create", "/no/x.img", "1M"), "cannot make /no/x.img: No such file or directory"),
        (("partitions", "/no/x.img"), "no such disk image: /no/x.img (xengen disk create /no/x.img SIZE makes one)"),
        (("attach", "web"), "xengen disk attach wants DOMAIN DISK[:START-END][:r|rw]"),
        (("list", "web", "db"), "xengen disk list wants [DOMAIN]"),
    ],
)
def test_a_wrong_request_about_disks_is_one_sentence(xengen: Xengen, words: tuple[str, ...], sentence: str) -> None:
    said = xengen("disk", *words)
    assert (said.status, said.out, said.err) == (ExitStatus.MISUSE, "", f"{sentence}\n")


def test_partitions_of_a_file_are_shown(xengen: Xengen, tmp_path: Path) -> None:
    path = tmp_path / "web.img"
    path.write_bytes(make_mbr([(0x83, 2048, 2048)]).ljust(4 << 20, b"\0"))
    lines = [line.split() for line in xengen("disk", "partitions", str(path)).out.splitlines()]
    assert lines == [[f"{path}:", "MBR"], ["partition", "start", "sectors", "size", "kind", "name"],
                     ["1", "2048", "2048", "1", "M", "Linux"]]  # fmt: skip
    assert json.loads(xengen("disk", "partitions", str(path), "--json").out)["partitions"][0]["kind"] == "Linux"


def test_disks_are_shown_with_partitions_and_who_has_what(xengen: Xengen, host: FakeHost) -> None:
    lines = [line.split() for line in xengen("disk").out.splitlines()]
    assert lines[0][:5] == ["0:", "web.img", "(disk0),", "64", "M;"]
    assert lines[2:] == [
        ["p1", "2048", "65536", "32", "M", "FAT16"], ["web", "xvda", "0", "131072", "64", "M", "rw"],
    ]  # fmt: skip
    assert json.loads(xengen("disk", "--json").out) == [DISK]


def test_disks_of_a_domain_are_shown_with_their_counters(xengen: Xengen, host: FakeHost) -> None:
    lines = [line.split() for line in xengen("disk", "list", "web").out.splitlines()]
    assert lines[1] == ["xvda", "connected", "rw", "1", "M", "5", "6", "0", "1", "9"]


def test_a_disk_is_attached_and_detached(xengen: Xengen, host: FakeHost) -> None:
    assert xengen("disk", "attach", "web", "x.img:0-1M:rw").out == "web has xvda\n"
    assert xengen("disk", "detach", "web", "xvda").out == "xvda is gone\n"
    host.closed = False
    assert xengen("disk", "detach", "web", "xvda").out == "xvda was taken away: the domain did not close it\n"
    assert host.asked[:2] == [
        ("disk_attach", {"domain": "web", "share": "x.img:0-1M:rw"}),
        ("disk_detach", {"domain": "web", "device": "xvda"}),
    ]


# Networks.


def test_interfaces_are_shown_with_what_they_counted(xengen: Xengen, host: FakeHost) -> None:
    lines = xengen("net").out.splitlines()
    assert lines[0] == "nic 0: e1000, 52:54:00:12:34:56; 7 sent, 8 received, 0 dropped"
    assert lines[2].split() == [
        "web", "0", "00:16:3e:00:00:01", "10.0.2.15", "none", "connected", "1", "2", "3", "4", "5",
    ]  # fmt: skip
    assert json.loads(xengen("net", "--json").out) == {"nics": [NIC], "interfaces": [VIF]}


def test_rules_are_shown_with_the_rest_behind_them(xengen: Xengen, host: FakeHost) -> None:
    lines = [line.split() for line in xengen("net", "rules", "web").out.splitlines()]
    assert lines[1:] == [["in", "0", "type=arp", "accept", "1", "60"], ["in", "the", "rest", "drop"]]


ASKED = [
    ("accept web udp:7", "rule_add",
     {"pattern": "udp:7", "action": "accept", "direction": "in", "place": None, "to": ""}),
    ("redirect web tcp:80 --to db/1 --place 2", "rule_add",
     {"pattern": "tcp:80", "action": "redirect", "direction": "in", "place": 2, "to": "db/1"}),
    ("drop web rest --direction out", "policy", {"action": "drop", "direction": "out"}),
    ("remove web 3", "rule_remove", {"place": 3, "direction": "in"}),
    ("rate web 1M --interface 1", "rate", {"rate": "1M", "interface": 1}),
    ("attach web mac=00:16:3e:00:00:01", "nic_attach", {"share": "mac=00:16:3e:00:00:01"}),
    ("detach web", "nic_detach", {}),
]  # fmt: skip


@pytest.mark.parametrize(("line", "method", "arguments"), ASKED, ids=[line for line, *_ in ASKED])
def test_what_is_typed_is_asked_for(
    xengen: Xengen, host: FakeHost, line: str, method: str, arguments: dict[str, Any]
) -> None:
    assert xengen("net", *shlex.split(line)).status == 0
    ((called, given),) = host.asked
    whose = {"domain": "web"} if method == "nic_attach" else {"domain": "web", "interface": 0}
    assert (called, given) == (method, {**whose, **arguments})


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("rules", "xengen net rules wants a domain"),
        ("accept web", "xengen net accept web wants a pattern such as udp:7@10.0.2.0/24, or rest"),
        ("rules web udp", "xengen net rules web wants nothing more"),
        ("remove web first", "a rule has a number, and 'first' is none: xengen net rules shows them"),
    ],
)
def test_a_wrong_request_about_networks_is_one_sentence(xengen: Xengen, line: str, sentence: str) -> None:
    said = xengen("net", *line.split())
    assert (said.status, said.out, said.err) == (ExitStatus.MISUSE, "", f"{sentence}\n")


# Machines with them.


def test_a_dry_run_shows_disks_and_interfaces(xengen: Xengen, tmp_path: Path) -> None:
    words = shlex.split(
        xengen("run", "--dry-run", "--disk", "/x/web.img:ide", "--net", "user,model=e1000,forward=udp:2007:7").out
    )
    assert any('"filename": "/x/web.img"' in word for word in words)
    assert any(word.startswith("ide-hd,drive=disk0,") for word in words)
    assert any(word.startswith("user,") and "hostfwd=udp:127.0.0.1:2007-10.0.2.15:7" in word for word in words)
    assert any(word.startswith("e1000,netdev=net0,") for word in words)


@pytest.mark.parametrize("verb", ["run", "up"])
def test_a_disk_that_cannot_be_is_one_sentence(xengen: Xengen, tmp_path: Path, verb: str) -> None:
    path = tmp_path / "odd.img"
    path.write_bytes(bytes(1000))
    said = xengen(verb, "--disk", str(path))
    assert (said.status, said.out) == (ExitStatus.MISUSE, "")
    assert said.err == f"{path} is no disk image: its size, 1000 bytes, is not a multiple of 512\n"


@pytest.mark.parametrize("verb", ["run", "up"])
def test_an_interface_that_cannot_be_is_one_sentence(xengen: Xengen, verb: str) -> None:
    said = xengen(verb, "--net", "tap")
    assert said.err == "--net wants user or datagrams:OWN:OTHER, and then its options, not 'tap'\n"
