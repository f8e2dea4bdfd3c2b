"""sysctl: images that the hypervisor keeps, and what is told of the machine.

Invariants
  - Behind each test the images are those of the boot again, and their memory has come back: the fixture looks.
"""

from __future__ import annotations

import random

import pytest

from tests.boot.control_fixtures import NAMES, Toolstack
from tests.boot.harness import Booter, Images
from xengen.abi.control import Sysctl
from xengen.agent.agent import Agent
from xengen.agent.names import value
from xengen.agent.outcome import Result
from xengen.control.calls import UPLOAD_PIECE, Control, Image, Refused
from xengen.control.reach import Near
from xengen.inspect.images import kept_images
from xengen.inspect.live import check_machine, hypervisor_of
from xengen.machine.machine import Ending
from xengen.machine.spec import MIB, Module

PAGE = 4096
ENOENT, EINVAL, EFAULT, ENOSPC, ENOMEM = (
    -value(name) for name in ("ENOENT", "EINVAL", "EFAULT", "ENOSPC", "ENOMEM")
)  # fmt: skip


def sysctl(toolstack: Toolstack, command: str, part: str, **fields: int) -> tuple[Result, Sysctl]:
    """Make the hypercall; fields are those of the command's part. Return its result and what it answered."""
    argument = Sysctl(value(f"SYSCTL_{command}"), value("CONTROL_VERSION"))
    for name, given in fields.items():
        setattr(getattr(argument.u, part), name, given)
    return toolstack.agent.hypercall("sysctl", argument), argument


def contents(toolstack: Toolstack, image: Image) -> bytes:
    """Return the bytes of an image, to the end of its last page."""
    machine = toolstack.machine
    (found,) = (one for one in kept_images(hypervisor_of(machine)) if one.number == image.number)
    return machine.memory.read(found.frames.start * PAGE, len(found.frames) * PAGE)


def test_boot_modules_are_kept_when_their_arguments_say_so(toolstack: Toolstack) -> None:
    modules = toolstack.machine.spec.modules[1:]
    assert [image.name for image in toolstack.control.images()] == [f"{name}.elf" for name in NAMES]
    for image, module in zip(toolstack.control.images(), modules, strict=True):
        data = module.path.read_bytes()
        assert image.size == len(data)
        assert contents(toolstack, image)[: image.size] == data
    assert toolstack.numbers() == [0]


@pytest.mark.parametrize("size", [1, PAGE - 1, PAGE, PAGE + 1, 3 * UPLOAD_PIECE + 5])
def test_an_image_holds_what_was_written_and_zeros_behind(toolstack: Toolstack, size: int) -> None:
    data = random.Random(size).randbytes(size)
    image = toolstack.control.add_image("data", size)
    for start in range(0, size, UPLOAD_PIECE):
        toolstack.control.write_image(image, start, data[start : start + UPLOAD_PIECE])
    assert contents(toolstack, image) == data + bytes(-size % PAGE)


def test_an_image_is_zero_where_nobody_has_written_although_its_memory_was_used(toolstack: Toolstack) -> None:
    first = toolstack.control.add_image("first", 64 * PAGE)
    frames = kept_images(hypervisor_of(toolstack.machine))[first.number].frames
    toolstack.machine.memory.write(frames.start * PAGE, b"used" * (64 * PAGE // 4))
    toolstack.control.remove_image(first)
    second = toolstack.control.add_image("second", 64 * PAGE)
    assert kept_images(hypervisor_of(toolstack.machine))[second.number].frames == frames
    toolstack.control.write_image(second, 5000, b"something")
    assert contents(toolstack, second) == bytes(5000) + b"something" + bytes(64 * PAGE - 5009)


@pytest.mark.parametrize(
    ("offset", "size", "error"),
    [
        (0, 0, 0), (100, 0, 0), (99, 1, 0), (101, 0, EINVAL), (99, 2, EINVAL), (0, 101, EINVAL),
        (0xFFFFFFFF, 1, EINVAL), (1, 0xFFFFFFFF, EINVAL), (0, 0xFFFFFFFF, EINVAL),
    ],
)  # fmt: skip
def test_nothing_is_written_outside_of_an_image(toolstack: Toolstack, offset: int, size: int, error: int) -> None:
    image = toolstack.control.add_image("small", 100)
    buffer = toolstack.agent.put(b"x" * 128)
    fields = {"image": image.number, "offset": offset, "bytes": size, "buffer": buffer}
    assert sysctl(toolstack, "image_write", "image_write", **fields)[0] == error


def test_a_write_from_where_nothing_is_is_a_fault(toolstack: Toolstack) -> None:
    image = toolstack.control.add_image("small", 2 * PAGE)
    fields = {"image": image.number, "bytes": 2 * PAGE, "buffer": toolstack.agent.edge - PAGE}
    assert sysctl(toolstack, "image_write", "image_write", **fields)[0] == EFAULT
    assert sysctl(toolstack, "image_write", "image_write", **fields | {"buffer": 0xFC400000})[0] == EFAULT


def test_a_boot_module_cannot_be_written(toolstack: Toolstack) -> None:
    fields = {"image": toolstack.images["spin"].number, "bytes": 4, "buffer": toolstack.agent.put(b"four")}
    assert sysctl(toolstack, "image_write", "image_write", **fields)[0] == EINVAL


@pytest.mark.parametrize("number", [len(NAMES), 31, 32, 0x7FFFFFFF, 0xFFFFFFFF])
def test_there_is_no_image_of_that_number(toolstack: Toolstack, number: int) -> None:
    assert sysctl(toolstack, "image_info", "image", image=number)[0] == ENOENT
    assert sysctl(toolstack, "image_remove", "image", image=number)[0] == ENOENT
    assert sysctl(toolstack, "image_write", "image_write", image=number)[0] == ENOENT


@pytest.mark.parametrize(("size", "error"), [(0, EINVAL), (0x80000001, EINVAL), (0x40000000, ENOMEM)])
def test_there_is_no_room_for_an_image_of(toolstack: Toolstack, size: int, error: int) -> None:
    assert sysctl(toolstack, "image_add", "image", bytes=size)[0] == error


def test_there_are_so_many_images_and_no_more(toolstack: Toolstack) -> None:
    for _ in range(value("MAX_IMAGES") - len(NAMES)):
        toolstack.control.add_image("one", 1)
    assert sysctl(toolstack, "image_add", "image", bytes=1)[0] == ENOSPC
    assert len(list(toolstack.control.images())) == value("MAX_IMAGES")


def test_images_are_listed_past_those_that_were_removed(toolstack: Toolstack) -> None:
    first, second = toolstack.control.add_image("first", 1), toolstack.control.add_image("second", 1)
    toolstack.control.remove_image(first)
    assert [image.name for image in toolstack.control.images()][len(NAMES) :] == ["second"]
    assert toolstack.control.add_image("third", 1).number == first.number < second.number


def test_a_domain_outlives_the_image_that_it_was_built_from(toolstack: Toolstack) -> None:
    image = toolstack.control.add_image("copy", toolstack.images["hello"].size)
    toolstack.control.write_image(image, 0, contents(toolstack, toolstack.images["hello"])[: image.size])
    domain = toolstack.created()
    toolstack.control.build(domain, image, 1024, "")
    toolstack.control.remove_image(image)
    toolstack.control.unpause(domain)
    toolstack.machine.console.expect(rf"^\(d{domain}\) hello from ring 1")
    with pytest.raises(Refused):
        toolstack.control.build(toolstack.created(), image, 1024, "")


def test_the_machine_is_told_of(toolstack: Toolstack) -> None:
    hypervisor, found = hypervisor_of(toolstack.machine), toolstack.control.machine()
    assert (found.total_pages, found.free_pages) == (hypervisor.max_frame, hypervisor.word("free_frames"))
    assert (found.domains, found.tsc_khz) == (1, hypervisor.word("tsc_khz"))
    toolstack.created()
    assert toolstack.control.machine().domains == 2


def test_a_boot_modules_memory_comes_back_when_it_is_removed(boot: Booter, images: Images) -> None:
    machine = boot("agent", Module(images.guest("hello"), "--image"), append="dom0_mem=16M", trace=False)
    with Agent(machine) as agent:
        control = Control(Near(agent))
        (image,) = control.images()
        before = hypervisor_of(machine).word("free_frames")
        control.remove_image(image)
        assert hypervisor_of(machine).word("free_frames") == before + -(-image.size // PAGE)
        assert check_machine(machine) == []


def test_images_are_passed_over_where_domains_and_initrds_are_looked_for(boot: Booter, images: Images) -> None:
    hello = images.guest("hello")
    initrd = Module(hello.with_suffix(".map"))
    kept = Module(hello, "--image")
    machine = boot("hello", kept, initrd, kept, (hello, "second"), memory=128 * MIB, append="dom0_mem=16M")
    assert machine.wait(20) is Ending.POWEROFF
    assert "refused" not in machine.transcript.hypervisor
    assert f"module at 0xc0103000, {initrd.path.stat().st_size} bytes" in machine.transcript.text(0)
    assert 'command line "second"' in machine.transcript.text(1)


@pytest.mark.parametrize("arguments", ["--images", "x --image", "-image"])
def test_other_arguments_make_a_domain_of_a_module(boot: Booter, images: Images, arguments: str) -> None:
    machine = boot("hello", (images.guest("hello"), arguments), append="dom0_mem=16M")
    assert machine.wait(20) is Ending.POWEROFF
    assert f'command line "{arguments}"' in machine.transcript.text(1)
