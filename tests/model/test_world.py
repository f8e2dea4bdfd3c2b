"""The world itself: it says what is wrong, by name, when something is. Each thing is planted, here or there.

Planted are words in the machine's memory, and beliefs of the model.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.model.worlds import Images, spec_of
from xengen.agent.names import PTE_A, PTE_P, PTE_RW
from xengen.fuzz.builds import Write
from xengen.fuzz.calls import Hypercall
from xengen.fuzz.ends import ENDS, End
from xengen.fuzz.mmu import Extend, MapPage, MmuExtended
from xengen.fuzz.places import Entry, Own, Place, Pool
from xengen.fuzz.world import Failure, World
from xengen.inspect import layout
from xengen.machine.machine import Machine


@pytest.fixture
def world(images: Images) -> Iterator[World]:
    """A world whose steps are all checked."""
    with Machine(spec_of(images)) as machine, World(machine) as made:
        yield made


@dataclass(frozen=True)
class Spoil:
    """Changes a word of a frame's record behind everybody's back."""

    place: Place
    word: int
    change: int

    def run(self, world: World) -> str:
        """Do it."""
        address = world.hypervisor.physical(layout.FRAME_TABLE + 16 * world.mfn(self.place)) + 4 * self.word
        value = world.machine.memory.u32(address) + self.change & 0xFFFFFFFF
        world.machine.memory.write(address, value.to_bytes(4, "little"))
        return "spoiled"


def test_a_world_in_which_all_is_well_has_nothing_to_say(world: World) -> None:
    world.run(Write(1, 4, ((0, Entry(Pool(1, 0), PTE_P)),), then=0))
    world.run(Hypercall(1, MmuExtended((Extend(4, Pool(1, 4)),))))
    world.finish()
    assert world.outcomes["Write", "read-only, MmuExtended 0"] == world.outcomes["Hypercall", "MmuExtended 0"] == 1
    assert world.outcomes["mmuext_op", "0x0 0"] == world.outcomes["mmuext_op", "0x4 0"] == 1


@pytest.mark.parametrize("word, change", [(0, 1), (1, 1), (1, 1 << 28)])
def test_a_record_that_is_not_as_the_model_has_it_is_named(world: World, word: int, change: int) -> None:
    with pytest.raises(Failure, match=f"frame {world.mfn(Pool(2, 3)):#x} of domain 2 is .*, not "):
        world.run(Spoil(Pool(2, 3), word, change))


def test_a_wrong_result_is_told_in_the_words_of_the_abi(world: World) -> None:
    world.model.frames.change(world.mfn(Pool(0, 1))).pinned = True
    with pytest.raises(Failure, match=r"mmuext_op returned -EINVAL, not 0\nin step 1: Hypercall\(domain=0"):
        world.run(Hypercall(0, MmuExtended((Extend(4, Pool(0, 1)),))))


def test_an_entry_that_is_not_what_was_written_is_shown(world: World) -> None:
    page = world.spare(1, 5)

    @dataclass(frozen=True)
    class Forgetful:
        def run(self, world: World) -> str:
            world.contents.write(page.mfn, 7, 0x1234)
            return "predicted"

    with pytest.raises(Failure, match=f"frame {page.mfn:#x}, entry 7 is 0x0, not 0x1234"):
        world.run(Forgetful())


def test_a_domain_that_dies_unasked_is_a_failure(world: World) -> None:
    @dataclass(frozen=True)
    class Dies:
        def run(self, world: World) -> str:
            ENDS["iret to ring 0"](world.agents[1])
            return "alive"

    with pytest.raises(Failure, match="DomainDied: domain 1 died: its iret hypercall asks for ring 0"):
        world.run(Dies())


@pytest.mark.parametrize("how", ENDS)
def test_a_domain_ends_and_its_memory_is_free(world: World, how: str) -> None:
    before = int(world.hypervisor.free.sum())
    world.run(End(2, how))
    assert world.agent(2) is None
    assert int(world.hypervisor.free.sum()) >= before + 2048
    world.run(Hypercall(2, MapPage(Pool(2, 0), Entry(Pool(2, 0), PTE_P))))
    assert world.outcomes["Hypercall", "skipped"] == 1
    world.finish()


def test_memory_that_another_domain_maps_outlives_its_own(world: World) -> None:
    entry = Entry(Pool(1, 2), PTE_P | PTE_RW | PTE_A)
    world.run(Hypercall(0, MapPage(Pool(0, 2), entry, owner=1)))
    mfn = world.mfn(Pool(1, 2))
    world.run(End(1, "shutdown"))
    assert [world.model.frames[mfn].references, world.model.frames.owned[1]] == [1, 3]  # and its shared pages
    world.run(Hypercall(0, MapPage(Pool(0, 2), Entry(Pool(0, 2), PTE_P))))
    assert mfn not in world.model.frames
    world.finish()


def test_what_an_agent_lives_on_is_left_alone(world: World) -> None:
    world.run(Hypercall(1, MmuExtended((Extend(16, Own(1, "code")), Extend(17, Own(1, "mailbox"), Pool(1, 0))))))
    assert world.outcomes["Hypercall", "MmuExtended -EINVAL"] == 1
    assert world.agents[1].hypercall("xen_version", 0) > 0
