"""A domain that domain 0 has built is what the boot makes of the same image; and a build that does not come to its end.

Invariants
  - What a domain must be at its first instruction is said once, in test_domain_builder.py: those tests run here on
    domains that domain 0's agent has built of the same guests, on a machine where they are paused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.boot.control_fixtures import Toolstack, begin_build
from tests.boot.harness import Booter, Images
from tests.boot.test_domain_builder import (
    test_a_domain_has_the_pages_that_the_command_line_gives_it,
    test_a_guest_is_told_where_the_hypervisor_begins_by_what_it_can_take,
    test_a_trap_from_ring_3_would_use_the_boot_stack,
    test_all_upcalls_are_masked_and_no_event_is_pending_or_masked,
    test_an_initrd_for_mod_start_pfn_is_in_the_frames_behind_the_initial_area,
    test_debug_registers_and_floating_point_are_as_after_a_reset,
    test_extended_cr3_is_on_unless_the_guest_has_plain_pae,
    test_only_domain_0_is_privileged,
    test_only_domain_0_may_have_more,
    test_only_the_l3_is_pinned,
    test_other_domains_are_told_of_their_empty_console_and_xenstore_pages,
    test_other_domains_will_start_with_exactly_their_registers,
    test_segments_are_copied_and_the_rest_of_them_is_zero,
    test_shared_info_is_the_domains_and_mapped_nowhere,
    test_start_info_has_the_command_line_without_the_files_name,
    test_start_info_says_what_the_domain_is_and_has,
    test_start_info_says_where_the_initrd_is_and_how_long,
    test_tables_have_their_types_and_all_other_mapped_frames_are_writable,
    test_the_checker_finds_every_count_type_and_descriptor_right,
    test_the_hypercall_page_has_a_stub_for_each_number,
    test_the_initial_area_is_mapped_in_order_writable_but_for_the_tables,
    test_the_initial_area_is_one_run_of_frames,
    test_the_l2s_have_an_l1_for_every_2_mb_of_the_initial_area_and_no_more,
    test_the_l3_has_all_four_l2s_behind_it,
    test_the_l3_is_the_first_table_and_the_base_pointer,
    test_the_m2p_table_can_be_read_at_its_old_address_unless_the_guest_knows_better,
    test_the_m2p_table_is_the_inverse_of_the_p2m_list,
    test_the_p2m_list_names_each_frame_of_the_domain_once,
    test_there_are_no_handlers_and_no_descriptor_tables,
    test_time_is_there_before_the_first_instruction,
    test_what_nobody_writes_of_the_initial_area_is_zero,
    test_what_the_processor_walks_is_a_copy_of_the_l3_in_the_vcpu,
)
from tests.support.built_domains import GUESTS, OTHERS, Built
from tests.support.elf_images import image_bytes, write_image
from tests.support.initial_layout import PAGE
from tests.support.malformed_images import DOMU_PAGES, REFUSED, SOUND, Case
from xengen.agent.agent import Agent
from xengen.agent.names import value
from xengen.control.calls import Control, Image, Refused
from xengen.control.reach import Near
from xengen.inspect.images import kept_images
from xengen.inspect.live import check_machine, hypervisor_of
from xengen.machine.machine import Machine
from xengen.machine.spec import MIB, Module

__all__ = [
    "test_a_domain_has_the_pages_that_the_command_line_gives_it",
    "test_a_guest_is_told_where_the_hypervisor_begins_by_what_it_can_take",
    "test_a_trap_from_ring_3_would_use_the_boot_stack",
    "test_all_upcalls_are_masked_and_no_event_is_pending_or_masked",
    "test_an_initrd_for_mod_start_pfn_is_in_the_frames_behind_the_initial_area",
    "test_debug_registers_and_floating_point_are_as_after_a_reset",
    "test_extended_cr3_is_on_unless_the_guest_has_plain_pae",
    "test_only_domain_0_is_privileged",
    "test_only_domain_0_may_have_more",
    "test_only_the_l3_is_pinned",
    "test_other_domains_are_told_of_their_empty_console_and_xenstore_pages",
    "test_other_domains_will_start_with_exactly_their_registers",
    "test_segments_are_copied_and_the_rest_of_them_is_zero",
    "test_shared_info_is_the_domains_and_mapped_nowhere",
    "test_start_info_has_the_command_line_without_the_files_name",
    "test_start_info_says_what_the_domain_is_and_has",
    "test_start_info_says_where_the_initrd_is_and_how_long",
    "test_tables_have_their_types_and_all_other_mapped_frames_are_writable",
    "test_the_checker_finds_every_count_type_and_descriptor_right",
    "test_the_hypercall_page_has_a_stub_for_each_number",
    "test_the_initial_area_is_mapped_in_order_writable_but_for_the_tables",
    "test_the_initial_area_is_one_run_of_frames",
    "test_the_l2s_have_an_l1_for_every_2_mb_of_the_initial_area_and_no_more",
    "test_the_l3_has_all_four_l2s_behind_it",
    "test_the_l3_is_the_first_table_and_the_base_pointer",
    "test_the_m2p_table_can_be_read_at_its_old_address_unless_the_guest_knows_better",
    "test_the_m2p_table_is_the_inverse_of_the_p2m_list",
    "test_the_p2m_list_names_each_frame_of_the_domain_once",
    "test_there_are_no_handlers_and_no_descriptor_tables",
    "test_time_is_there_before_the_first_instruction",
    "test_what_nobody_writes_of_the_initial_area_is_zero",
    "test_what_the_processor_walks_is_a_copy_of_the_l3_in_the_vcpu",
]

NUMBERS = range(1, len(GUESTS))
DIRT = 40 * MIB
EBUSY, EEXIST = -value("EBUSY"), -value("EEXIST")


@pytest.fixture(scope="module")
def machine(images: Images, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """The machine with all guests but the first, built by the agent in domain 0 and paused.

    Much of the memory that they get was another domain's before, and full of what that left there.
    """
    folder = tmp_path_factory.mktemp("images")
    modules = []
    for one in OTHERS:
        modules.append(Module(write_image(folder, one.name, one.image), "--image"))
        (folder / f"{one.name}.initrd").write_bytes(one.initrd or b"-")
        modules.append(Module(folder / f"{one.name}.initrd", "--image"))
    booter = Booter(images)
    try:
        made = booter("agent", *modules, append="dom0_mem=16M", trace=False)
        with Agent(made, alone=True) as agent:
            control = Control(Near(agent))
            kept = {image.name: image for image in control.images()}
            dirt = control.add_image("dirt", DIRT)
            made.memory.write(first_byte(made, "dirt"), b"dirt" * (DIRT // 4))
            control.remove_image(dirt)
            for number in NUMBERS:
                build_numbered(agent, number, kept)
        yield made
    finally:
        booter.close()


def first_byte(machine: Machine, name: str) -> int:
    """Return where in the machine an image is."""
    (image,) = (image for image in kept_images(hypervisor_of(machine)) if image.name == name)
    return image.frames.start * PAGE


def build_numbered(agent: Agent, number: int, kept: dict[str, Image]) -> None:
    """Create the domain of that number, and build the guest of that number in it."""
    toolstack = Toolstack(agent, Control(Near(agent)), kept)
    one = GUESTS[number]
    domain = toolstack.created(number)
    initrd = kept[f"{one.name}.initrd"] if one.initrd else None
    toolstack.control.build(domain, kept[one.name], one.pages, one.command_line, initrd)


@pytest.fixture(params=NUMBERS, ids=[str(one) for one in OTHERS])
def built(request: pytest.FixtureRequest, machine: Machine) -> Built:
    """Each of the domains."""
    return Built(machine, request.param)


@pytest.fixture
def other(built: Built) -> Built:
    """Each of the domains, all of which are others than domain 0."""
    return built


def test_all_memory_that_nobody_writes_is_zero(built: Built) -> None:
    start = built.layout.pages + (3 if built.guest.unmapped_initrd else 0)
    for mfn in built.p2m[start:]:
        assert not any(built.machine.memory.read(mfn * PAGE, PAGE)), hex(mfn)


# Builds that do not come to their end.


def uploaded(toolstack: Toolstack, name: str, data: bytes) -> Image:
    """Make an image of these bytes."""
    image = toolstack.control.add_image(name, len(data))
    toolstack.control.write_image(image, 0, data)
    return image


@pytest.mark.parametrize("case", [case for _, case in REFUSED], ids=[case.what for _, case in REFUSED])
def test_a_malformed_image_is_refused_with_its_reason(toolstack: Toolstack, case: Case) -> None:
    data = image_bytes(case.image)
    for damage in (case.damage,) if case.damage else ():
        data = damage(data)
    image = uploaded(toolstack, case.file_name, data)
    domain = toolstack.created()
    with pytest.raises(Refused) as refused:
        toolstack.control.build(domain, image, DOMU_PAGES, "")
    assert str(refused.value) == f"{case.file_name} cannot be started: {case.reason}"
    toolstack.machine.console.expect(rf"{case.file_name} refused: ")
    assert (toolstack.about(domain).pages, toolstack.state(domain)) == (0, {"paused", "unbuilt"})


def test_a_domain_that_is_refused_an_image_may_get_another(toolstack: Toolstack) -> None:
    domain = toolstack.created()
    with pytest.raises(Refused):
        toolstack.control.build(domain, uploaded(toolstack, "bad", image_bytes(replace(SOUND, elf_class=2))), 1024, "")
    toolstack.control.build(domain, toolstack.images["spin"], 1024, "")
    assert toolstack.state(domain) == {"paused"}


def test_a_domain_is_built_once(toolstack: Toolstack) -> None:
    domain = toolstack.built()
    fields = {"image": toolstack.images["spin"].number, "initrd": value("IMAGE_NONE"), "pages": 1024}
    assert toolstack.domctl("build", domain, **fields)[0] == EEXIST


def test_while_a_build_goes_on_there_is_no_other_job(toolstack: Toolstack) -> None:
    first, second = toolstack.created(), toolstack.created()
    image = uploaded(toolstack, "more", b"more")
    begin_build(toolstack, first)
    fields = {"image": toolstack.images["spin"].number, "initrd": value("IMAGE_NONE"), "pages": 1024}
    assert toolstack.domctl("build", second, **fields)[0] == EBUSY
    for attempt in (
        lambda: toolstack.control.add_image("another", 1),
        lambda: toolstack.control.write_image(image, 0, b"less"),
        lambda: toolstack.control.remove_image(image),
    ):
        with pytest.raises(Refused) as refused:
            attempt()
        assert refused.value.name == "EBUSY"
    assert toolstack.domctl("build", first, **fields)[0] == 0
    assert toolstack.state(first) == {"paused"}


def test_a_build_goes_on_where_it_was_while_others_come_and_go(toolstack: Toolstack) -> None:
    domain = toolstack.created()
    begin_build(toolstack, domain)
    for _ in range(3):
        toolstack.control.destroy(toolstack.created())
    fields = {"image": toolstack.images["spin"].number, "initrd": value("IMAGE_NONE"), "pages": 1024}
    assert toolstack.domctl("build", domain, **fields)[0] == 0
    toolstack.control.unpause(domain)
    toolstack.machine.console.expect(rf"^\(d{domain}\) spin: ")


def test_destroying_a_domain_abandons_its_build(toolstack: Toolstack) -> None:
    domain = toolstack.created()
    begin_build(toolstack, domain)
    toolstack.control.destroy(domain)
    assert toolstack.numbers() == [0]
    assert toolstack.built() > domain


def test_the_checker_finds_nothing_wrong_in_the_midst_of_a_build(toolstack: Toolstack) -> None:
    domain = toolstack.created()
    begin_build(toolstack, domain)
    assert check_machine(toolstack.machine) == []
    assert toolstack.about(domain).pages > 0
