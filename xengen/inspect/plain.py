"""The rule about plain vcpus (sched/plain.s): who is taken for one has nothing that a short switch would leave out.

Invariants
  - VCPU_plain may say less than is true, never more. It holds at any moment at which a guest runs or nobody can.
"""

from __future__ import annotations

from collections.abc import Iterator

from xengen.abi.symbols import assembler_symbols
from xengen.inspect.survey import Survey
from xengen.inspect.views import Domain, Vcpu
from xengen.inspect.violation import Rule, Violation

_VALUES = assembler_symbols()
PLAIN, FLAT = _VALUES["PLAIN"], _VALUES["PLAIN_FLAT"]
STOPPED = _VALUES["DOMAIN_DYING"] | _VALUES["DOMAIN_SHUTDOWN"] | _VALUES["DOMAIN_SUSPENDED"]
_DR7 = 7
_FIELDS = (
    "direct_gates", "ldt_entries", "cr4", "nmi_pending", "runstate_area", "time_area", "virtual_alarm",
)  # fmt: skip


def plain(survey: Survey) -> Iterator[Violation]:
    """A vcpu that is taken for plain has nothing special; one that left by the short way has flat segments only."""
    hypervisor = survey.hypervisor
    owner, current = hypervisor.word("fpu_owner"), hypervisor.word("current_vcpu")
    for domain in survey.domains:
        vcpu = domain.vcpu
        if vcpu is None or not vcpu.record.plain:
            continue
        special = [*_special(domain, vcpu)]
        if vcpu.address == owner:
            special.append("its floating point is in the processor")
        if vcpu.record.plain == FLAT and vcpu.address != current and _selectors(vcpu) != {_VALUES["FLAT_RING1_DS"]}:
            special.append("it has segments of its own")
        for what in special:
            yield Violation(Rule.PLAIN, f"it is taken for plain, but {what}", domain=domain.id)


def _special(domain: Domain, vcpu: Vcpu) -> Iterator[str]:
    record = vcpu.record
    yield from (f"has {name}" for name in _FIELDS if getattr(record, name))
    if record.debugreg[_DR7] & _VALUES["DR7_ENABLES"]:
        yield "has breakpoints"
    if record.sched.warpback or record.sched.warping:
        yield "may warp"
    if record.sched.mcu_advance >= _VALUES["CHARGE_HIGH_LIMIT"]:
        yield "has a share that is too small"
    if record.periodic and domain.record.virqs[_VALUES["VIRQ_TIMER"]]:
        yield "has a periodic timer"
    if domain.record.flags & STOPPED or domain.record.pause_count:
        yield "may not run"


def _selectors(vcpu: Vcpu) -> set[int]:
    frame = vcpu.record.frame
    return {frame.ss & 0xFFFF, frame.ds & 0xFFFF, frame.es & 0xFFFF, vcpu.record.fs, vcpu.record.gs}
