"""The images that the hypervisor keeps, seen in memory, and what the checker makes of their frames."""

from __future__ import annotations

from ctypes import sizeof

import pytest

from tests.unit.inspect.image_memory import ABI
from tests.unit.inspect.synthetic import Synthetic
from xengen.abi.hypervisor import Image
from xengen.inspect.images import KeptImage, kept_images
from xengen.inspect.invariants import check
from xengen.inspect.violation import Rule


@pytest.fixture
def machine() -> Synthetic:
    return Synthetic()


def record(machine: Synthetic, number: int) -> Image:
    """Return the record of that number, live."""
    return machine.at(Image, machine.physical("images") + number * sizeof(Image))


def keep(machine: Synthetic, number: int, pages: int) -> int:
    """Make an image of frames that are taken for it; return the first."""
    frames = [machine.take_free() for _ in range(pages)]
    assert frames == list(range(frames[0], frames[0] + pages))
    image = record(machine, number)
    image.flags, image.first_mfn, image.pages, image.bytes = ABI["IMAGE_BOOT"], frames[0], pages, pages * 4096 - 5
    image.name[:5] = list(b"hello")
    return frames[0]


def test_images_are_listed_with_their_frames(machine: Synthetic) -> None:
    first = keep(machine, 2, 3)
    assert kept_images(machine.hypervisor()) == (KeptImage(2, "hello", 3 * 4096 - 5, range(first, first + 3)),)


def test_a_record_that_is_free_is_no_image(machine: Synthetic) -> None:
    keep(machine, 0, 1)
    record(machine, 0).flags = 0
    assert kept_images(machine.hypervisor()) == ()


def test_an_image_that_is_being_made_has_what_the_job_has_taken(machine: Synthetic) -> None:
    first = keep(machine, 0, 4)
    record(machine, 0).pages = 0
    machine.write("job_key", machine.symbols["images"])
    machine.write("run_first", first)
    machine.write("run_taken", 2)
    assert kept_images(machine.hypervisor())[0].frames == range(first, first + 2)


def test_frames_of_images_are_the_hypervisors(machine: Synthetic) -> None:
    keep(machine, 1, 2)
    assert check(machine.hypervisor()) == []


def test_a_frame_that_no_image_has_any_more_is_a_leak(machine: Synthetic) -> None:
    first = keep(machine, 1, 2)
    record(machine, 1).pages = 1
    assert [(found.rule, found.frame) for found in check(machine.hypervisor())] == [(Rule.LEAK, first + 1)]
