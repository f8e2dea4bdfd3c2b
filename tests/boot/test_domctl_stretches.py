"""Control calls are done in pieces: interrupts are never off for more than 40,000 instructions (design, section 4).

Invariants
  - The machine counts instructions (icount), the hypervisor is built for release, and it says itself how long the
    longest piece of a control call was; the entry and the way out around it are some hundred instructions more.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.boot.control_fixtures import Toolstack
from tests.boot.harness import Booter, Images
from tests.support.elf_images import GuestImage, Segment, image_bytes, legacy, text
from tests.support.malformed_images import OLD, SOUND, note
from xengen.agent.agent import Agent
from xengen.control.calls import UPLOAD_PIECE, Control, Refused
from xengen.control.reach import Near
from xengen.inspect.live import check_machine, hypervisor_of
from xengen.machine.spec import MIB, Module

INTERRUPTS_OFF = 40_000 - 500
PAGES = 8192
HARD: dict[str, GuestImage] = {
    "as many program headers as there may be": replace(
        SOUND, segments=tuple(Segment(0x100000 + index * 4096) for index in range(1000))
    ),
    "a large kernel": replace(SOUND, segments=(Segment(0x100000, b"x" * 3 * MIB),)),
    "a large list of features": note(text("FEATURES", "|" * 900)),
    "a long search for bimodal": note(text("PAE_MODE", "bimoda" * 150)),
    "many items in the older text": replace(OLD, sections=(legacy("," * 900),)),
    "many sections": replace(OLD, sections=tuple(legacy("x") for _ in range(1000))),
}


@pytest.fixture(scope="module")
def toolstack(images: Images) -> Iterator[Toolstack]:
    """Domain 0 in control of a machine that counts instructions."""
    booter = Booter(images)
    spin = Module(images.guest("spin"), "--image")
    machine = booter("agent", spin, append="dom0_mem=16M", memory=128 * MIB, icount=True, debug=False, trace=False)
    with Agent(machine, alone=True) as agent:
        control = Control(Near(agent))
        yield Toolstack(agent, control, {image.name.removesuffix(".elf"): image for image in control.images()})
        assert check_machine(machine) == []
    booter.close()


def longest(toolstack: Toolstack) -> int:
    """Return how many instructions the longest piece took since the last question."""
    hypervisor = hypervisor_of(toolstack.machine)
    found = hypervisor.word("stretch_longest")
    toolstack.machine.memory.write(hypervisor.physical(hypervisor.symbol("stretch_longest")), bytes(4))
    return found


def test_creating_building_and_destroying_a_domain(toolstack: Toolstack) -> None:
    domain = toolstack.created()
    toolstack.control.build(domain, toolstack.images["spin"], PAGES, "x" * 1000)
    assert 0 < longest(toolstack) < INTERRUPTS_OFF
    toolstack.control.unpause(domain)
    toolstack.machine.console.expect(rf"^\(d{domain}\) spin: ")
    toolstack.control.destroy(domain)
    assert 0 < longest(toolstack) < INTERRUPTS_OFF


@pytest.mark.parametrize("what", HARD)
def test_an_image_that_is_hard_to_read(toolstack: Toolstack, what: str) -> None:
    data = image_bytes(HARD[what])
    image = toolstack.control.add_image("hard", len(data))
    for start in range(0, len(data), UPLOAD_PIECE):
        toolstack.control.write_image(image, start, data[start : start + UPLOAD_PIECE])
    domain = toolstack.created()
    try:
        toolstack.control.build(domain, image, PAGES, "")
    except Refused as refused:
        assert refused.name == "EINVAL"
    toolstack.control.destroy(domain)
    toolstack.control.remove_image(image)
    assert 0 < longest(toolstack) < INTERRUPTS_OFF


def test_a_large_image(toolstack: Toolstack) -> None:
    toolstack.control.remove_image(toolstack.control.add_image("large", 32 * MIB))
    assert 0 < longest(toolstack) < INTERRUPTS_OFF


def test_many_domains(toolstack: Toolstack) -> None:
    domains = [toolstack.created() for _ in range(40)]
    assert len(list(toolstack.control.domains())) == len(domains) + 1
    for domain in domains:
        toolstack.control.destroy(domain)
    assert 0 < longest(toolstack) < INTERRUPTS_OFF
