"""The toolstack on a real hypervisor: domains that come, share, grow, talk, end and are forgotten.

Invariants
  - One host for the tests of a worker; each test takes its domains away again.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.boot.harness import TREE, GuestMaker, Images
from tests.boot.hosting import Record, console, free, make, make_grub, until
from xengen.agent.command import Argument
from xengen.control.host import Host
from xengen.control.methods import Methods
from xengen.control.places import HostPlaces
from xengen.control.reach import Reach
from xengen.errors import UserError
from xengen.inspect.live import check_machine
from xengen.machine.spec import MIB

# Waits until something is typed at its console; then it dies, or shuts down with its command line's digit as reason.
ENDS = r"""
        .text
# start: waits, and ends.
{% call routine("start") %}
        movl    START_INFO_console_domU_mfn(%esi), %eax
        movl    MACH2PHYS_VIRT_START_PAE(,%eax,4), %edi
        shll    $PAGE_SHIFT, %edi
        addl    $VIRT_BASE, %edi
1:
        movl    $SCHEDOP_yield, %ebx
        {{ hypercall("sched_op") }}
        cmpl    $0, XENCONS_INTERFACE_in_prod(%edi)
        je      1b
        movzbl  START_INFO_cmd_line(%esi), %eax
        subl    $'0', %eax
        jae     2f
        movl    0, %eax                         # nothing is there, and there is no handler
2:
        movl    %eax, reason
        movl    $SCHEDOP_shutdown, %ebx
        movl    $reason, %ecx
        {{ hypercall("sched_op") }}
        ud2
{% endcall %}
{{ space("reason", 4) }}
"""


@pytest.fixture(scope="module")
def host(images: Images, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A host with 256 MB."""
    places = HostPlaces(tmp_path_factory.mktemp("host"))
    with Host.boot(images.hypervisor(), images.guest("agent"), memory=256 * MIB, places=places) as host:
        yield host


@pytest.fixture
def methods(host: Host) -> Iterator[Methods]:
    """What can be asked of the host. Domains that a test leaves behind go."""
    methods = Methods(host)
    yield methods
    for number in list(host.guests):
        host.destroy(str(number))
    until(lambda: [one["id"] for one in methods.domains()] == [0])


def test_a_new_domain_is_listed_with_what_it_was_given(methods: Methods, images: Images) -> None:
    make(methods, "web", images.guest("spin"), 4 * MIB, weight=30, cmdline="one two")
    found = methods.info("web")
    assert (found["name"], found["memory"], found["weight"], found["cmdline"]) == ("web", 4 * MIB, 30, "one two")
    assert methods.info(str(found["id"]))["uuid"] == found["uuid"]
    assert [one["name"] for one in methods.domains()][1:] == ["web"]


def test_destroy_gives_everything_back(methods: Methods, images: Images) -> None:
    seen = []
    for _ in range(2):  # the first time the hypervisor's heap grows as far as it will
        for name in ("web", "db"):
            make(methods, name, images.guest("spin"), 8 * MIB)
        seen.append(free(methods))
        methods.destroy("web")
        methods.destroy("db")
        until(lambda: len(methods.domains()) == 1)
        seen.append(free(methods))
    assert seen[:2] == seen[2:]
    assert seen[0] <= seen[1] - 16 * MIB
    assert methods.store_ls("/local/domain") == []


def test_an_image_of_10_mb_takes_320_requests_to_upload(
    methods: Methods, host: Host, images: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That makes it fast enough: about a second through the mailbox, where 5 are allowed (`xengen create` shows it)."""
    big = tmp_path / "big.elf"
    big.write_bytes(images.guest("spin").read_bytes().ljust(10 * MIB, b"\0"))
    calls: list[str] = []
    made = type(host.reach).hypercall

    def counted(self: Reach, call: str, *arguments: Argument) -> int:
        calls.append(call)
        return made(self, call, *arguments)

    monkeypatch.setattr(type(host.reach), "hypercall", counted)
    make(methods, "web", big, 4 * MIB)
    others = 3  # looking for its name among the images, room for it, taking it away
    assert calls.count("sysctl") == 320 + others


def test_the_checker_agrees_while_domains_run_and_after(methods: Methods, host: Host, images: Images) -> None:
    make(methods, "web", images.guest("balloon"))
    make(methods, "spin", images.guest("spin"), 4 * MIB)
    with host.lock:
        assert check_machine(host.machine) == []
    methods.destroy("web")
    methods.destroy("spin")
    until(lambda: len(methods.domains()) == 1)
    with host.lock:
        assert check_machine(host.machine) == []


def test_a_paused_domain_does_not_run_until_it_is_unpaused(methods: Methods, images: Images) -> None:
    make(methods, "web", images.guest("spin"), 4 * MIB, paused=True)
    time.sleep(0.1)
    assert methods.info("web")["cpu_ns"] == 0
    methods.unpause("web")
    until(lambda: methods.info("web")["cpu_ns"] > 0)
    assert methods.pause("web")["state"] == "paused"
    used = methods.info("web")["cpu_ns"]
    time.sleep(0.1)
    assert methods.info("web")["cpu_ns"] == used


def test_the_share_of_a_domain_can_be_set_while_it_runs(methods: Methods, images: Images) -> None:
    make(methods, "web", images.guest("spin"), 4 * MIB)
    found = methods.sched("web", weight=20, warp_ms=5.0, warp_limit_ms=100, unwarp_ms=50)
    assert found == {"weight": 20, "warp_ms": pytest.approx(5.0), "warp_limit_ms": 100.0, "unwarp_ms": 50.0}
    assert methods.sched("web") == found
    with pytest.raises(UserError, match="a weight is a number from 1 to"):
        methods.sched("web", weight=0)


def test_memory_moves_from_one_domain_to_another_and_is_touched(methods: Methods, images: Images) -> None:
    for name in ("one", "two"):
        make(methods, name, images.guest("balloon"), most_memory=24 * MIB)
    before = free(methods)
    methods.memory("one", 8 * MIB)
    until(lambda: methods.memory("one")["memory"] == 8 * MIB)
    methods.memory("two", 24 * MIB)
    until(lambda: methods.memory("two")["memory"] == 24 * MIB)
    assert free(methods) == before
    until(lambda: "6144 pages of 6144, 0 bad" in console(methods, "two"))
    assert "2048 pages of 2048, 0 bad" in console(methods, "one")


def test_a_domain_finds_itself_in_the_store(methods: Methods, images: Images) -> None:
    number = make(methods, "web", images.guest("balloon"))["id"]
    assert methods.store_read(f"/local/domain/{number}/name") == "web"
    assert methods.store_read(f"/local/domain/{number}/memory/target") == str(16 << 10)
    methods.store_write(f"/local/domain/{number}/data/x", "1")
    assert methods.store_ls(f"/local/domain/{number}/data") == ["x"]
    methods.store_rm(f"/local/domain/{number}/data/x")
    with pytest.raises(UserError, match="/data/x: the store has no such node"):
        methods.store_read(f"/local/domain/{number}/data/x")


ENDINGS = [
    ("", "destroy", "goes"), ("", "restart", "comes again"), ("", "preserve", "stays"),
    ("0", "preserve", "goes"), ("1", "destroy", "comes again"), ("3", "preserve", "stays"),
]  # fmt: skip


@pytest.mark.parametrize(("digit", "policy", "what"), ENDINGS)
def test_what_becomes_of_a_domain_that_ends(
    methods: Methods, host: Host, guest: GuestMaker, digit: str, policy: str, what: str
) -> None:
    host.shortest_life = 0.0
    number = make(methods, "web", guest(ENDS), 8 * MIB, cmdline=digit, on_crash=policy)["id"]
    methods.console_input("web", "x")
    if what == "goes":
        until(lambda: len(methods.domains()) == 1)
    elif what == "comes again":
        until(lambda: any(one["id"] > number and one["state"] != "dying" for one in methods.domains()))
        assert methods.info("web")["cmdline"] == digit
    else:
        until(lambda: methods.info("web")["reason"])
        found = methods.info("web")
        assert (found["id"], found["memory"]) == (number, 8 * MIB)
        assert found["state"] == ("shutdown" if digit else "died")


def test_a_domain_that_ends_as_soon_as_it_is_there_is_not_restarted_for_ever(
    methods: Methods, host: Host, guest: GuestMaker
) -> None:
    host.shortest_life = 3600.0
    make(methods, "web", guest(ENDS), 8 * MIB, cmdline="1")
    methods.console_input("web", "x")
    until(lambda: len(methods.domains()) == 1)


REFUSALS = [
    ("", "spin", {}, "cannot be a domain's name"),
    ("a b", "spin", {}, "cannot be a domain's name"),
    ("7", "spin", {}, "cannot be a domain's name"),
    ("web", "nothing.elf", {}, "is no image of this host, and no file"),
    ("web", "/dev/null", {}, "is empty"),
    ("web", __file__, {}, "cannot be started: "),
    ("web", "spin", {"memory": 1 << 30}, "it needs 262144 pages, "),
    ("web", "spin", {"weight": 0}, "a weight is a number from 1 to"),
    ("web", "spin", {"on_crash": "panic"}, "on_crash is one of destroy, restart, preserve"),
]


@pytest.mark.parametrize(("name", "image", "more", "words"), REFUSALS, ids=[words for *_, words in REFUSALS])
def test_a_refused_creation_is_one_sentence_and_leaves_nothing(
    methods: Methods, images: Images, name: str, image: str, more: Record, words: str
) -> None:
    make(methods, "before", images.guest("spin"), 4 * MIB)
    methods.destroy("before")
    until(lambda: len(methods.domains()) == 1)
    before = free(methods), methods.store_ls("/")
    arguments = {"memory": 4 * MIB, **more}
    with pytest.raises(UserError) as caught:
        make(methods, name, images.guest("spin") if image == "spin" else image, **arguments)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert [one["id"] for one in methods.domains()] == [0]
    until(lambda: (free(methods), methods.store_ls("/")) == before)


def test_a_name_is_one_domains_only(methods: Methods, images: Images) -> None:
    make(methods, "web", images.guest("spin"), 4 * MIB)
    with pytest.raises(UserError, match="there is a domain called web already"):
        make(methods, "web", images.guest("spin"), 4 * MIB)


@pytest.mark.parametrize("action", ["pause", "unpause", "destroy"])
def test_domain_0_is_left_alone(methods: Methods, action: str) -> None:
    with pytest.raises(UserError, match="domain 0"):
        getattr(methods, action)("0")


# A stranger: GRUB as a paravirtual kernel.


@pytest.fixture(scope="module")
def grub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """GRUB, made for 32-bit PAE Xen by Debian's own tools."""
    return make_grub(tmp_path_factory.mktemp("grub"))


def test_grub_comes_to_its_prompt_takes_commands_and_halts(methods: Methods, grub: Path) -> None:
    make(methods, "grub", grub, 64 * MIB)
    until(lambda: "grub> " in console(methods, "grub"))
    methods.console_input("grub", "echo 6 times 7 is $grub_cpu\r")
    until(lambda: re.search(r"6 times 7 is i386\r?\n", console(methods, "grub")))
    methods.console_input("grub", "halt\r")
    until(lambda: len(methods.domains()) == 1)


def test_the_example_of_the_documents_runs_and_draws(
    images: Images, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed: no pictures")
    images.guest("spin")
    (tmp_path / "build").symlink_to(TREE / "build")
    monkeypatch.chdir(tmp_path)
    text = (TREE / "docs/toolstack.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", text, re.S)
    names: dict[str, Any] = {}
    exec(compile(example, "docs/toolstack.md", "exec"), names)
    used = names["progress"][-1]
    assert sorted(used) == ["spin1", "spin2", "spin3", "spin4"]
    assert used["spin4"] > 2 * used["spin1"]
    assert (tmp_path / "progress.png").read_bytes().startswith(b"\x89PNG")


def test_the_same_toolstack_works_over_a_serial_line(
    images: Images, tmp_path_factory: pytest.TempPathFactory, guest: GuestMaker
) -> None:
    places = HostPlaces(tmp_path_factory.mktemp("serial"))
    kernels = images.hypervisor(), images.guest("agent")
    with Host.boot(*kernels, memory=64 * MIB, places=places, serial=True) as host:
        methods = Methods(host)
        number = make(methods, "web", guest(ENDS), 8 * MIB, cmdline="0")["id"]
        assert methods.store_read(f"/local/domain/{number}/name") == "web"
        assert methods.pause("web")["state"] == "paused"
        methods.unpause("web")
        methods.console_input("web", "x")
        until(lambda: len(methods.domains()) == 1)
        assert check_machine(host.machine) == []
