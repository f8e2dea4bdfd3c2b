"""Routines that keep their contract and routines that break it, each with what the checker must say.

Invariants
  - Each case is one template file of one image, so that all are assembled once.
  - `says` are all findings of that file, without its name: "LINE: routine NAME: what", in order.
  - A case's first routine has its header in the lines 2 to 7 and its body from line 9 on, one more for each line of
    `more`.
"""

from __future__ import annotations

from dataclasses import dataclass

ANY = "%eax, %ebx, %ecx, %edx, %esi, %edi, %ebp = whatever"
FOLDER = "asm/hypervisor/cases"


def routine(
    name: str, body: str, *, takes: str = "-", out: str = "-", clob: str = "none", more: str = ""
) -> str:
    """Return the template text of a routine; `body` has its statements separated by semicolons."""
    lines = [f"# {name}(): a case.", "#", f"# in:    {takes}", f"# out:   {out}", f"# clob:  {clob}", "# errs:  none"]
    lines += [f"# {line}" for line in more.split("\n") if line]
    lines += [f'{{% call routine("{name}") %}}', *(f"        {line.strip()}" for line in body.split(";"))]
    return "\n".join([*lines, "{% endcall %}", ""])


@dataclass(frozen=True)
class Case:
    """A template file and the findings that it must give; none for one that keeps its contract."""

    name: str
    text: str
    says: tuple[str, ...] = ()

    @property
    def file(self) -> str:
        """The file's name in the tree."""
        return f"{FOLDER}/{self.name}.s"


def case(
    name: str,
    body: str,
    *says: str,
    takes: str = ANY,
    out: str = "-",
    clob: str = "none",
    more: str = "",
    beside: str = "",
) -> Case:
    """Return a case of the routine `name` and the text `beside` it; `says` are "LINE: what" about that routine."""
    text = "        .text\n" + routine(name, body, takes=takes, out=out, clob=clob, more=more) + beside
    return Case(name, text, tuple(said.replace(": ", f": routine {name}: ", 1) for said in says))


IMPLICIT_WRITES = (
    ("move", "movl $1, %edx", "edx"),
    ("byte", "movb $1, %dh", "edx"),
    ("word", "movw $1, %si", "esi"),
    ("rep_movs", "rep movsl", "ecx edi esi"),
    ("lods", "lodsb", "eax esi"),
    ("stos", "stosb", "edi"),
    ("repne_scas", "repne scasb", "ecx edi"),
    ("mul", "mull %ebx", "eax edx"),
    ("div", "divl %ebx", "eax edx"),
    ("imul_two", "imull %ebx, %ecx", "ecx"),
    ("cdq", "cdq", "eax edx"),
    ("cpuid", "cpuid", "eax ebx ecx edx"),
    ("rdtsc", "rdtsc", "eax edx"),
    ("rdmsr", "rdmsr", "eax edx"),
    ("input", "inb %dx, %al", "eax"),
    ("cmpxchg", "lock cmpxchgl %ecx, (%esi)", "eax"),
    ("cmpxchg8b", "lock cmpxchg8b (%esi)", "eax edx"),
    ("xadd", "xaddl %ecx, (%esi)", "ecx"),
    ("setcc", "sete %cl", "ecx"),
    ("bts", "btsl %eax, %ecx", "ecx"),
    ("bsf", "bsfl %eax, %ecx", "ecx"),
    ("lea", "leal 4(%ecx,%edx), %edi", "edi"),
    ("from_control", "movl %cr3, %ebx", "ebx"),
    ("hypercall", "int $0x82", "eax"),
    ("lds", "ldsl (%eax), %esi", "ds esi"),
    ("pop_frame", "addl $8, %esp; popl %ecx; subl $12, %esp", "ecx"),
)


def _unnamed(name: str, instruction: str, registers: str) -> Case:
    line = 9 + instruction.split("; ").index("popl %ecx") if "popl" in instruction else 9
    says = (f"{line}: writes %{register}, which its header does not name" for register in registers.split())
    return case(f"unnamed_{name}", f"{instruction}; ret", *says)


def _named(name: str, instruction: str, registers: str) -> Case:
    clob = ", ".join(f"%{register}" for register in registers.split())
    return case(f"named_{name}", f"{instruction}; ret", clob=clob)


CHANGES_ECX = routine("changes_ecx", "movl $1, %ecx; ret", clob="%ecx")
TAKES_ECX = routine("takes_ecx", "testl %ecx, %ecx; ret", takes="%ecx = a number")
TWO_ARGUMENTS = routine("two_arguments", "ret $8")
STOPS = routine("stops", "hlt; jmp stops", out="does not return")

REGISTERS = (
    *(_unnamed(*row) for row in IMPLICIT_WRITES),
    *(_named(*row) for row in IMPLICIT_WRITES),
    case("saved_by_push", "pushl %edx; movl $1, %edx; popl %edx; ret"),
    case("saved_by_pushal", "pushal; movl $1, %edx; movl $2, %ebp; popal; ret"),
    case("saved_in_the_frame", "subl $8, %esp; movl %esi, 4(%esp); movl $1, %esi; movl 4(%esp), %esi;"
         " addl $8, %esp; ret"),
    case("saved_in_a_register", "movl %esi, %edx; movl $1, %esi; movl %edx, %esi; ret", clob="%edx"),
    case("exchanged_back", "xchgl %esi, %edi; xchgl %esi, %edi; ret"),
    case("moved_and_moved_back", "addl $4, %esi; decl %esi; leal -3(%esi), %esi; ret"),
    case("segments_saved", "pushl %ds; pushl %es; movl %ss, %eax; movl %eax, %ds; movl %eax, %es; popl %es; popl %ds;"
         " ret", clob="%eax"),
    case("all_clobbered", "xorl %eax, %eax; movl %eax, %ebx; movl %eax, %ebp; ret", clob="all"),
    case("result_in_the_pushed_frame", "pushal; movl $1, %edx; movl %edx, 28(%esp); popal; ret", out="%eax = 1"),
    case("a_part_is_named", "movl $65, %eax; ret", out="%al = the letter A"),
    case("only_one_path_restores", "testl %eax, %eax; jz only_one_path_restores.out; movl $1, %esi;"
         " only_one_path_restores.out:; ret", "11: writes %esi, which its header does not name"),
    case("pops_in_wrong_order", "pushl %edx; pushl %ecx; popl %edx; popl %ecx; ret",
         "11: gives back the caller's %ecx in %edx, which its header does not name",
         "12: gives back the caller's %edx in %ecx, which its header does not name"),
    case("segment_not_restored", "movl %ss, %eax; movl %eax, %ds; ret",
         "10: gives back the caller's %ss in %ds, which its header does not name", clob="%eax"),
    case("saved_word_overwritten", "pushl %esi; movl $1, %esi; movl $0, (%esp); popl %esi; ret",
         "12: writes %esi, which its header does not name"),
    case("saved_too_low", "movl %esi, -4(%esp); movl $1, %esi; movl -4(%esp), %esi; ret",
         "11: writes %esi, which its header does not name"),
    case("out_never_written", "ret", "2: names %eax in its line `out:`, but no path writes it", out="%eax = 0"),
    case("out_written_on_one_path", "testl %ecx, %ecx; jz out_written_on_one_path.out; movl $1, %eax;"
         " out_written_on_one_path.out:; ret", out="%eax = 1, or as it was"),
)

INPUTS = (
    case("uses_an_argument", "addl 4(%ecx), %eax; ret", takes="%eax, %ecx = what to add", out="%eax = the sum"),
    case("uses_what_nobody_gives", "movl $1, %eax; addl (%ecx,%edx), %eax; incl %ecx; ret",
         "10: uses %ecx, which it has not set and its line `in:` does not name",
         "10: uses %edx, which it has not set and its line `in:` does not name",
         takes="-", out="%eax = the sum", clob="%ecx"),
    case("uses_a_copy_of_it", "movl %esi, %edx; incl %edx; ret",
         "10: uses %esi, which it has not set and its line `in:` does not name", takes="-", clob="%edx"),
    case("loads_it_into_a_segment", "pushl %es; movl %ecx, %es; popl %es; ret",
         "10: uses %ecx, which it has not set and its line `in:` does not name", takes="-"),
    case("sets_it_on_one_path", "testl %eax, %eax; jz sets_it_on_one_path.out; movl $1, %ecx;"
         " sets_it_on_one_path.out:; ret", takes="%eax = a number", clob="%ecx"),
    case("saves_and_restores_it", "pushl %ebx; movl %ecx, %edx; movl $1, %ecx; movl %edx, %ecx; popl %ebx; ret",
         takes="-", clob="%edx"),
    case("makes_constants", "xorl %eax, %eax; subl %ecx, %ecx; orl $-1, %edx; andl $0, %ebx; addl %eax, %edx; ret",
         takes="-", clob="%eax, %ebx, %ecx, %edx"),
    case("hands_on_what_is_clobbered", "call changes_ecx; call takes_ecx; ret",
         "10: gives takes_ecx %ecx, which the call of changes_ecx in line 9 clobbers", clob="%ecx", beside=TAKES_ECX),
)

BALANCE = (
    case("pushes_left", "pushl %edx; pushl $1; ret", "11: returns with 8 bytes left on the stack"),
    case("pops_too_much", "addl $4, %esp; ret",
         "10: returns with 4 bytes taken off the stack that it did not push"),
    case("uneven_paths", "testl %eax, %eax; jz uneven_paths.out; pushl %edx; uneven_paths.out:; ret",
         "13: reaches this line with 0 and with 4 bytes on the stack"),
    case("pushes_in_a_loop", "pushl %eax; decl %ecx; jnz pushes_in_a_loop; ret",
         "9: reaches this line with 0 and with 4 bytes on the stack",
         "12: returns with 4 bytes left on the stack", clob="%ecx"),
    case("pushes_for_ever", "pushl %eax; jmp pushes_for_ever",
         "9: reaches this line with 32 and with 36 bytes on the stack", out="does not return"),
    case("entry_with_uneven_paths", "testl %eax, %eax; jz entry_with_uneven_paths.out; pushl %eax;"
         " entry_with_uneven_paths.out:; iret", out="does not return"),
    case("frame_by_hand", "pushl %ebp; movl %esp, %ebp; subl $16, %esp; pushl $1; movl %ebp, %esp; popl %ebp; ret"),
    case("frame_by_leave", "pushl %ebp; movl %esp, %ebp; subl $16, %esp; leave; ret"),
    case("frame_by_lea", "pushl %eax; leal -8(%esp), %esp; leal 12(%esp), %esp; ret"),
    case("word_pushed", "pushw %ax; addl $2, %esp; ret"),
    case("flags_saved", "pushfl; cli; popfl; ret"),
    case("loads_esp", "movl $0x1000, %esp; ret", "9: loads %esp with a value that cannot be followed"),
    case("takes_arguments", "pushl $1; pushl $2; call two_arguments; ret", beside=TWO_ARGUMENTS),
    case("takes_them_unevenly", "testl %eax, %eax; jz takes_them_unevenly.out; ret $4; takes_them_unevenly.out:; ret",
         "13: takes different numbers of argument bytes off the stack at its returns"),
)

CALLS = (
    case("calls_by_contract", "call changes_ecx; ret", clob="%ecx", beside=CHANGES_ECX),
    case("calls_and_saves", "pushl %ecx; call changes_ecx; popl %ecx; ret"),
    case("callee_changes_more", "call changes_ecx; ret",
         "9: calls changes_ecx, which changes %ecx: its header does not name it"),
    case("jumps_to_a_callee", "jmp changes_ecx",
         "9: jumps to changes_ecx, which changes %ecx: its header does not name it"),
    case("jumps_with_a_push", "pushl %eax; jmp changes_ecx",
         "10: leaves for changes_ecx with 4 bytes left on the stack", clob="%ecx"),
    case("uses_what_is_clobbered", "movl $1, %ecx; call changes_ecx; movl %ecx, %eax; ret",
         "11: uses %ecx, which the call of changes_ecx in line 10 clobbers", clob="%eax, %ecx"),
    case("zeroes_what_is_clobbered", "call changes_ecx; xorl %ecx, %ecx; movl %ecx, %eax; ret", clob="%eax, %ecx"),
    case("stops_with_a_push", "testl %eax, %eax; jz stops_with_a_push.bad; ret; stops_with_a_push.bad:; pushl $1;"
         " call stops", beside=STOPS),
    case("calls_no_routine", "call calls_no_routine.here; calls_no_routine.here:; ret",
         "9: calls calls_no_routine.here, which is no routine"),
    case("calls_through_a_pointer", "call *%eax; ret",
         "9: calls through a pointer: name the routines in its header, in a line `calls:`"),
    case("names_what_it_calls", "call *%eax; ret",
         "10: calls changes_ecx, which changes %ecx: its header does not name it", more="calls: changes_*"),
    case("jumps_through_a_pointer", "jmp *%eax",
         "9: jumps through a pointer: name where to in its header, in a line `calls:`"),
    case("jumps_through_its_own_table", "jmp *own_table(,%eax,4); own_table.a:; ret; own_table.b:; movl $1, %ecx; ret",
         "13: writes %ecx, which its header does not name",
         beside="        .section .rodata\n{% call object(\"own_table\") %}\n        .long own_table.a, own_table.b\n"
                "{% endcall %}\n        .text\n"),
    case("its_table_holds_more", "call *its_table(,%eax,4); ret",
         "10: goes through a table that holds stops, which its line `calls:` omits", clob="%ecx",
         more="calls: changes_ecx",
         beside="        .section .rodata\n{% call object(\"its_table\") %}\n        .long changes_ecx, stops\n"
                "{% endcall %}\n        .text\n"),
)

ENDS = (
    case("runs_on", "nop", "9: runs on into after_it: end it with a jump or ret", beside=routine("after_it", "ret")),
    case("into_the_middle", "jmp has_a_middle.middle", "9: jumps into the middle of has_a_middle",
         beside=routine("has_a_middle", "nop; has_a_middle.middle:; ret")),
    case("leaves_by_iret", "iret",
         "9: leaves by an instruction that is no ret, though its header says that it returns"),
    case("never_returns", "jmp never_returns", "2: has no path to a return, though its header says that it returns"),
    case("returns_after_all", "ret", "9: returns, though its header says that it does not", out="does not return"),
    case("ends_by_iret", "pushl %eax; popl %ebx; iret", out="does not return"),
    case("has_dead_code", "ret; incl %eax; ret", "10: holds an instruction that no path reaches"),
    case("far_return_to_itself", "pushl $8; pushl $far_return_to_itself.on; lret; far_return_to_itself.on:; ret"),
    case("jumps_by_a_register", "movl $jumps_by_a_register.on, %eax; jmp *%eax; jumps_by_a_register.on:; ret",
         clob="%eax"),
    case("fix_up_is_followed", 'pushl %ebx; {{ user("movl (%eax), %ebx", fail="fix_up_is_followed.bad") }}; popl %ebx;'
         " ret; fix_up_is_followed.bad:; movl $1, %ecx; popl %ebx; ret",
         "14: writes %ecx, which its header does not name"),
    case("fix_up_with_a_push_left", 'pushl %ebx; {{ user("movl (%eax), %ebx", fail="fix_up_with_a_push_left.bad") }};'
         " popl %ebx; ret; fix_up_with_a_push_left.bad:; ret", "14: returns with 4 bytes left on the stack"),
)

DEPTH = (
    case("calls_itself", "call calls_itself; ret",
         "9: calls itself (calls_itself > calls_itself): say in a header of the circle how often it may be active"
         " (`depth: N`)"),
    case("calls_itself_twice_at_most", "call calls_itself_twice_at_most; ret", more="depth: 2"),
    case("loop_of_jumps", "jmp loop_other", out="does not return",
         beside=routine("loop_other", "jmp loop_of_jumps", out="does not return")),
)

CASES = (*REGISTERS, *INPUTS, *BALANCE, *CALLS, *ENDS, *DEPTH)
