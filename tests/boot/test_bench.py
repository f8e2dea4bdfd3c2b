"""What operations cost on the running hypervisor, held against their targets (xengen/bench/operations.py).

Invariants
  - The bench runs once for all tests of a session, whichever worker comes first: time is instructions, so it would say
    the same again.
"""

from __future__ import annotations

import json
import os
import re
from typing import Any

import pytest

from tests.boot.harness import TREE, Images, locked
from xengen.bench.measure import GUEST, measure
from xengen.bench.operations import INTERRUPTS_OFF, LONG_OPERATIONS, NAMES, OPERATIONS, LongOperation, Operation
from xengen.bench.report import as_object, report
from xengen.bench.trace import trace_operations
from xengen.machine.machine import Machine
from xengen.machine.spec import MachineSpec, Module
from xengen.machine.symbols import SymbolTable

# The counter gives an average: of emptying the map cache now and then, and of frames that are dropped for the last time
# or not. And it does not count an instruction that faults.
AVERAGED = 4


@pytest.fixture(scope="session")
def bench_machine(images: Images) -> MachineSpec:
    """The machine that `xengen bench` measures: the release build with the bench guest."""
    guest = Module(images.guest(GUEST, debug=False))
    return MachineSpec(images.hypervisor(debug=False), "", (guest,), icount=True)


@pytest.fixture(scope="session")
def costs(tmp_path_factory: pytest.TempPathFactory, bench_machine: MachineSpec) -> dict[str, Any]:
    """What `xengen bench --json` says, and with it the number of steps of each operation."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    path = folder / "bench.json"
    with locked(folder / "bench.lock"):
        if not path.exists():
            path.write_text(json.dumps(run(bench_machine)), encoding="utf-8")
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def run(spec: MachineSpec) -> dict[str, object]:
    """Measure, and step through everything that is there."""
    measured = measure(spec)
    traces = list(trace_operations(spec, [name for name in NAMES if measured[name].instructions is not None]))
    return as_object(report(measured, traces)) | {"steps": {trace.name: len(trace.steps) for trace in traces}}


def row(costs: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the row of one operation, which the hypervisor must have."""
    (found,) = (row for row in (*costs["operations"], *costs["long"]) if row["name"] == name)
    assert found["verdict"] != "not there"
    assert found["error"] is None
    return dict(found)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_an_operation_costs_no_more_than_its_target(costs: dict[str, Any], operation: Operation) -> None:
    assert row(costs, operation.name)["instructions"] <= operation.target


@pytest.mark.parametrize("operation", LONG_OPERATIONS, ids=lambda operation: operation.name)
def test_a_long_operation_lets_interrupts_in_often_enough(costs: dict[str, Any], operation: LongOperation) -> None:
    assert 0 < row(costs, operation.name)["interrupts_off"] <= INTERRUPTS_OFF


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_the_time_stamp_counter_and_the_steps_agree(costs: dict[str, Any], operation: Operation) -> None:
    measured = row(costs, operation.name)["instructions"]
    assert abs(measured - round(costs["steps"][operation.name] / operation.units)) <= AVERAGED


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_plain_instructions_are_not_saved_by_expensive_ones(costs: dict[str, Any], operation: Operation) -> None:
    # One way in and one way out; an application's trap has its own. At most two segment registers are loaded and
    # restored, and CR3 and translations are touched by those alone whose purpose it is.
    expensive = row(costs, operation.name)["expensive"]
    assert expensive["ring"] <= (4 if operation.name in ("int_bounced", "event") else 2)
    assert expensive["segment"] <= 4
    assert expensive["cr3"] == (1 if operation.name in ("new_baseptr", "tlb_flush") else 0)
    assert expensive["invlpg"] == (1 if operation.name in ("invlpg", "update_va_mapping") else 0)


def test_the_guest_has_every_operation_in_this_order(costs: dict[str, Any], images: Images) -> None:
    symbols = SymbolTable.from_file(images.guest(GUEST, debug=False))
    assert [row["name"] for row in (*costs["operations"], *costs["long"])] == list(NAMES)
    for name in NAMES:
        assert symbols.address(f"{name}_begin") < symbols.address(f"{name}_end")


def test_a_second_run_says_the_same(costs: dict[str, Any], bench_machine: MachineSpec) -> None:
    again = {name: found.instructions for name, found in measure(bench_machine).items()}
    assert again == {row["name"]: row["instructions"] for row in (*costs["operations"], *costs["long"])}


def test_the_guest_runs_on_the_debug_build_as_well(images: Images) -> None:
    spec = MachineSpec(images.hypervisor(), "", (Module(images.guest(GUEST)),), icount=True)
    with Machine(spec) as machine:
        machine.console.expect(rf"^\(d0\) bench {NAMES[-1]} \d+ instructions$", 30)


def documented() -> dict[str, int]:
    """Return what docs/costs.md says of each operation that has a number there: by its title, without code quotes."""
    page = (TREE / "docs/costs.md").read_text(encoding="utf-8")
    found = re.findall(r"^\| (.+?) \| \d+ \| (\d+) \|", page, re.MULTILINE)
    return {title.replace("`", ""): int(number) for title, number in found}


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_the_page_about_costs_claims_nothing_better(costs: dict[str, Any], operation: Operation) -> None:
    measured = row(costs, operation.name)["instructions"]
    assert measured <= documented()[operation.title] + AVERAGED
