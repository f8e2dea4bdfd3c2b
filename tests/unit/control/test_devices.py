"""Who gets what of a host's disks and networks, with a hypervisor that only notes what it is asked (devices.py)."""

from __future__ import annotations

from ctypes import Structure, sizeof
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.unit.control.test_partitions import disk as disk_image
from xengen.abi.io import IoOp
from xengen.abi.symbols import assembler_symbols
from xengen.abi.vbd import DiskInfo, VbdConnect, VbdCreate, VbdExtent, VbdInfo, VbdNothing
from xengen.abi.vif import NicInfo, VifConnect, VifCreate, VifCredit, VifInfo, VifPolicy, VifRule
from xengen.agent.command import Argument
from xengen.control.devices import Devices
from xengen.control.io_calls import IoCalls
from xengen.control.nic_shares import NicShare, parse_nic
from xengen.control.partitions import make_mbr
from xengen.control.reach import SharedPage
from xengen.control.shares import parse_share
from xengen.errors import UserError, XengenError
from xengen.machine.disks import DiskSpec
from xengen.store.paths import home
from xengen.store.tree import Tree

VALUES = assembler_symbols()
UUID = "9d1b7dd5-0e29-4b8e-a0fd-5c1c1a1a1a1a"
ARGUMENTS: dict[str, type[Structure]] = {
    "disk_info": DiskInfo, "vbd_create": VbdCreate, "vbd_extent": VbdExtent, "vbd_connect": VbdConnect,
    "vbd_disconnect": VbdNothing, "vbd_destroy": VbdNothing, "vbd_info": VbdInfo, "nic_info": NicInfo,
    "vif_create": VifCreate, "vif_connect": VifConnect, "vif_disconnect": VbdNothing, "vif_destroy": VbdNothing,
    "vif_info": VifInfo, "vif_rule_add": VifRule, "vif_policy": VifPolicy, "vif_credit": VifCredit,
}  # fmt: skip
NAMES = {VALUES[f"IO_OP_{name}"]: name for name in ARGUMENTS}


@dataclass
class FakeReach:
    """A hypervisor with disks of these sizes in sectors and `nics` interfaces.

    refuse: errors by command's name; refusals: how often they are given.
    """

    disks: tuple[int, ...] = (4096,)
    nics: int = 1
    refuse: dict[str, str] = field(default_factory=dict)
    refusals: int = 1_000_000
    shut: int = 0
    said: list[str] = field(default_factory=list)
    memory: dict[int, bytes] = field(default_factory=dict)

    def put(self, data: bytes) -> int:
        address = 0x1000 * (len(self.memory) + 1)
        self.memory[address] = data
        return address

    def read(self, address: int, size: int) -> bytes:
        return self.memory[address][:size]

    def page(self, domain: int, mfn: int) -> SharedPage:
        raise XengenError("no device needs a page of domain 0's")

    def let_go(self, page: SharedPage) -> None:
        raise XengenError("no device needs a page of domain 0's")

    def hypercall(self, call: str, *arguments: Argument) -> int:
        (operation,) = arguments
        assert call == "io_op" and isinstance(operation, IoOp)
        name = NAMES[operation.cmd]
        argument = ARGUMENTS[name].from_buffer_copy(self.memory[operation.argument])
        assert operation.bytes == sizeof(argument)
        if name in self.refuse and self.refusals:
            self.refusals -= 1
            return -VALUES[self.refuse[name]]
        if not name.endswith("_info"):
            self.said.append(f"{operation.domain}/{operation.handle} {name} {self._words(argument)}".strip())
        result = self._answer(name, operation.handle, argument)
        self.memory[operation.argument] = bytes(argument)
        return result

    def _answer(self, name: str, handle: int, argument: Structure) -> int:
        match argument:
            case DiskInfo() if argument.number >= len(self.disks):
                return -VALUES["ENOENT"]
            case DiskInfo():
                argument.sectors = self.disks[argument.number]
                argument.name[:] = f"disk{argument.number}".encode().ljust(16, b"\0")
            case NicInfo() if handle >= self.nics:
                return -VALUES["ENOENT"]
            case VbdInfo() | VifInfo() if self.shut:
                argument.state, argument.reason = VALUES["IO_STATE_SHUT"], self.shut
        return 0

    def _words(self, argument: Structure) -> str:
        match argument:
            case VbdExtent():
                return f"{argument.disk}:{argument.start}+{argument.sectors} {argument.flags}"
            case VbdCreate():
                return str(argument.flags)
            case VbdConnect():
                return f"{argument.ring_ref} {argument.port}"
            case VifCreate():
                return f"{bytes(argument.mac).hex()} {argument.nic:#x} {argument.ip:#x}"
            case VifConnect():
                ports = f"{argument.tx_port} {argument.rx_port}"
                return f"{argument.tx_ref} {argument.rx_ref} {ports} {argument.flags}"
            case VifRule():
                return f"{argument.direction} {argument.action} {argument.value.protocol}"
            case VifPolicy():
                return f"{argument.direction} {argument.action}"
            case VifCredit():
                return f"{argument.bytes} {argument.period_us}"
        return ""


def devices(reach: FakeReach | None = None, *files: Path) -> Devices:
    """Return a host's devices, domain 1's home in its store."""
    tree = Tree()
    tree.mkdir(0, home(1))
    return Devices(IoCalls(reach or FakeReach()), tree, tuple(DiskSpec(file) for file in files))


def front(found: Devices, kind: str, handle: int, **nodes: object) -> None:
    """Write nodes as the front end of domain 1, its state last, and look."""
    for name, value in nodes.items():
        found.tree.write(1, (*home(1), "device", kind, str(handle), name.replace("_", "-")), str(value).encode())
    found.look()


def back(found: Devices, kind: str, handle: int, name: str) -> str:
    """Return a node of the back end, as domain 1 reads it."""
    return found.tree.read(1, (*home(0), "backend", kind, "1", str(handle), name)).decode()


def test_a_disk_is_made_of_its_extents_and_its_ring_connected() -> None:
    reach = FakeReach((4096, 8192))
    found = devices(reach)
    found.attach_disk(1, parse_share("1:0-1M,2M-:rw"))
    front(found, "vbd", 51712, ring_ref=8, event_channel=9, state=3)
    assert reach.said == [
        "1/51712 vbd_create 0", "1/51712 vbd_extent 1:0+2048 0", "1/51712 vbd_extent 1:4096+4096 0",
        "1/51712 vbd_connect 8 9",
    ]  # fmt: skip
    nodes = ("state", "sectors", "sector-size", "info", "mode", "dev")
    assert [back(found, "vbd", 51712, name) for name in nodes] == ["4", "6144", "512", "0", "w", "xvda"]


def test_a_disk_that_is_only_read_says_so_to_both_sides() -> None:
    reach = FakeReach()
    found = devices(reach)
    found.attach_disk(1, parse_share("0:0-1M"))
    front(found, "vbd", 51712, ring_ref=8, event_channel=9, state=3)
    assert reach.said[:2] == ["1/51712 vbd_create 1", "1/51712 vbd_extent 0:0+2048 1"]
    assert (back(found, "vbd", 51712, "mode"), back(found, "vbd", 51712, "info")) == ("r", "4")


def test_a_disk_of_which_the_hypervisor_refuses_a_part_is_taken_back() -> None:
    reach = FakeReach()
    found = devices(reach)
    found.attach_disk(2, parse_share("0:1s-2s:r"))
    reach.said.clear()
    reach.refuse["vbd_extent"] = "EBUSY"
    with pytest.raises(UserError) as caught:
        found.attach_disk(1, parse_share("0:0-1M:rw"))
    assert str(caught.value) == (
        "xvda cannot have sectors 0 to 2047 of disk0: "
        "some of them are somebody's already, and one of both may write there"
    )
    assert reach.said == ["1/51712 vbd_create 0", "1/51712 vbd_destroy"]
    assert (found.held(1), found.tree.directory(0, home(1))) == ([], ())


def test_sectors_that_a_domain_had_which_is_going_are_waited_for() -> None:
    """It was released here, and the hypervisor waits for what it has in flight."""
    reach = FakeReach()
    found = devices(reach)
    found.attach_disk(2, parse_share("0:rw"))
    found.release(2)
    reach.refuse, reach.refusals = {"vbd_extent": "EBUSY"}, 3
    found.attach_disk(1, parse_share("0:rw"))
    assert reach.refusals == 0
    assert [held.back.handle for held in found.held(1)] == [51712]


def test_disks_are_called_by_their_files_their_drivers_and_their_numbers(tmp_path: Path) -> None:
    files = [disk_image(tmp_path).rename(tmp_path / name) for name in ("a.img",)]
    found = devices(FakeReach((4096, 8192)), *files)
    names = ["a.img", "disk0", "0", str(files[0])], ["disk1", "1"]
    assert [[found.find_disk(name).number for name in of_one] for of_one in names] == [[0] * 4, [1] * 2]
    with pytest.raises(UserError, match=r"no disk of this host is called b.img \(there is a.img, disk1\)"):
        found.find_disk("b.img")
    with pytest.raises(UserError, match="none: start it with xengen up --disk FILE"):
        devices(FakeReach(())).find_disk("0")


def test_two_disks_of_one_files_name_are_told_apart_by_their_numbers(tmp_path: Path) -> None:
    found = devices(FakeReach((4096, 8192)), tmp_path / "x/web.img", tmp_path / "y/web.img")
    with pytest.raises(UserError, match=r"several disks of this host are called web\.img: use its number"):
        found.find_disk("web.img")
    assert found.find_disk("1").file == tmp_path / "y/web.img"


def test_a_partition_is_a_range(tmp_path: Path) -> None:
    reach = FakeReach()
    image = disk_image(tmp_path, (0, make_mbr([(0x83, 100, 200)])))
    found = devices(reach, image)
    found.attach_disk(1, parse_share("disk.img:p1"))
    assert reach.said[1] == "1/51712 vbd_extent 0:100+200 1"


def test_devices_are_numbered_as_they_come_and_a_free_number_is_used_again() -> None:
    found = devices()
    for _ in range(3):
        found.attach_nic(1, NicShare(), UUID)
    found.remove(1, found.find(1, "vif", 1))
    found.attach_nic(1, NicShare(), UUID)
    assert [held.back.handle for held in found.held(1)] == [0, 2, 1]
    with pytest.raises(UserError, match="domain 1 has no interface 7"):
        found.find(1, "vif", 7)


def test_an_interface_is_made_with_its_rules_and_its_rings_connected() -> None:
    reach = FakeReach()
    found = devices(reach)
    found.attach_nic(1, parse_nic("mac=00:16:3e:00:00:01,ip=10.0.2.15,allow=icmp,rate=1M"), UUID)
    front(found, "vif", 0, tx_ring_ref=5, rx_ring_ref=6, event_channel=7, request_rx_copy=1, state=4)
    assert reach.said == [
        "1/0 vif_create 00163e000001 0x0 0xf02000a", "1/0 vif_rule_add 1 0 0", "1/0 vif_rule_add 1 0 1",
        "1/0 vif_policy 1 1", "1/0 vif_credit 10485 10000", "1/0 vif_connect 5 6 7 0 2",
    ]  # fmt: skip
    assert back(found, "vif", 0, "state") == "4"
    assert found.tree.read(1, (*home(1), "device", "vif", "0", "mac")) == b"00:16:3e:00:00:01"


RINGS = [
    ({"event_channel": 7, "request_rx_copy": 1}, "7 0 2"),
    ({"event_channel": 7}, "7 0 0"),
    ({"event_channel_tx": 7, "event_channel_rx": 8, "request_rx_copy": 1}, "7 8 2"),
    ({"event_channel": 7, "request_rx_copy": 1, "feature_no_csum_offload": 1}, "7 0 6"),
]


@pytest.mark.parametrize(("nodes", "words"), RINGS)
def test_a_front_end_says_how_it_wants_to_be_served(nodes: dict[str, object], words: str) -> None:
    reach = FakeReach()
    found = devices(reach)
    found.attach_nic(1, NicShare(), UUID)
    front(found, "vif", 0, tx_ring_ref=5, rx_ring_ref=6, **nodes, state=4)
    assert reach.said[-1] == f"1/0 vif_connect 5 6 {words}"


@pytest.mark.parametrize(("nics", "text", "wire"), [(1, "", "0x0"), (0, "", "0xffffffff"), (2, "nic=1", "0x1"),
                                                    (1, "nic=none", "0xffffffff")])  # fmt: skip
def test_an_interface_is_on_the_first_wire_unless_told_otherwise(nics: int, text: str, wire: str) -> None:
    reach = FakeReach(nics=nics)
    devices(reach).attach_nic(1, parse_nic(text), UUID)
    assert reach.said[0].split()[3] == wire


def test_a_ring_that_was_shut_is_seen_in_time_and_told_to_its_owner() -> None:
    reach = FakeReach()
    found = devices(reach)
    found.attach_disk(1, parse_share("0"))
    front(found, "vbd", 51712, ring_ref=8, event_channel=9, state=3)
    reach.shut = VALUES["IO_REASON_PRODUCER"]
    found._next_check = 0.0
    found.look()
    assert back(found, "vbd", 51712, "state") == "5"
    error = found.tree.read(1, (*home(1), "device", "vbd", "51712", "error"))
    assert error == b"the ring was shut: its producer has jumped, or runs backwards"


def test_what_a_domain_has_goes_with_it() -> None:
    reach = FakeReach()
    found = devices(reach)
    found.attach_disk(1, parse_share("0"))
    found.attach_nic(1, NicShare(), UUID)
    found.release(1)
    assert reach.said[-4:] == ["1/51712 vbd_disconnect", "1/51712 vbd_destroy", "1/0 vif_disconnect", "1/0 vif_destroy"]
    assert found.held(1) == []
    assert found.tree.directory(0, ("local", "domain")) == ("1",)
