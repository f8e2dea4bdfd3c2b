# 4 GB segments (vm_assist, ABI 7): an application's %gs that it uses with positive and with negative offsets. No one
# segment that ends below HV_PRIVATE_START has both. So the guest's descriptor is turned over when an instruction needs
# the other side: between a segment that goes up to HV_PRIVATE_START and one that goes down from its base to 0; and the
# instruction is tried again.
#
# Invariants
#   - Only data segments of ring 3 that end as far up, or begin as far down, as they may: nothing else is touched.
#   - What is stored has passed descriptor_check, as everything in a descriptor page has.
#   - A descriptor is turned only if that brings the operand's offset inside: so no instruction turns it for ever.

        .text

{% set L = labels("segment_turn") %}
# segment_turn(frame): turns the segment in %gs, if that is what the instruction wants.
#
# in:    %esi = ENTRY_FRAME of a protection fault with error code 0, %ebp = current vcpu
# out:   %eax = EMULATE_AGAIN or EMULATE_NOT; turn_length = bytes of the instruction, without numbers at its end
# clob:  %ebx, %ecx, %edx, %edi, %gs
# errs:  EMULATE_NOT
{% call routine("segment_turn") %}
        testb   $2, ENTRY_FRAME_cs(%esi)
        jz      {{ L("not_ours") }}
        movl    VCPU_domain(%ebp), %eax
        btl     $VMASST_TYPE_4gb_segments, DOMAIN_vm_assist(%eax)
        jnc     {{ L("not_ours") }}
        call    turn_decode
        jc      {{ L("not_ours") }}
        movl    %edi, turn_length
        movl    emulate_start, %eax
        subl    %eax, turn_length
        call    turn_find
        jc      {{ L("not_ours") }}
        call    turn_limit
        jc      {{ L("not_ours") }}
        call    descriptor_check
        jc      {{ L("not_ours") }}
        movl    %eax, (%edi)
        movl    %edx, 4(%edi)
        movl    %gs, %eax
        {{ user("movl %eax, %gs", fail=L("not_ours")) }}
        movl    $EMULATE_AGAIN, %eax
        ret
{{ L("not_ours") }}:
        movl    $EMULATE_NOT, %eax
        ret
{% endcall %}

{% set L = labels("turn_decode") %}
# turn_decode(frame): an instruction with %gs and a memory operand.
#
# in:    %esi = ENTRY_FRAME, %ebp = current vcpu
# out:   operand_offset; %edi = address behind the operand; carry: it is none
# clob:  %eax, %ebx, %ecx, %edx
# errs:  carry
{% call routine("turn_decode") %}
        call    emulate_open
        jc      {{ L("none") }}
{{ L("next_prefix") }}:
        call    emulate_fetch
        jc      {{ L("none") }}
        movzbl  emulate_opcodes(%eax), %ecx
        testl   %ecx, %ecx
        jz      {{ L("opcode") }}
        cmpl    $EMULATE_PREFIXES, %ecx
        ja      {{ L("two_bytes") }}
        andl    prefix_kept - 4(,%ecx,4), %ebx
        orl     prefix_set - 4(,%ecx,4), %ebx
        jmp     {{ L("next_prefix") }}
{{ L("two_bytes") }}:
        cmpl    $EMULATE_TWO_BYTES, %ecx
        jne     {{ L("none") }}
        call    emulate_fetch
        jc      {{ L("none") }}
        btl     %eax, modrm_opcodes_0f
        jnc     {{ L("none") }}
        jmp     {{ L("have_opcode") }}
{{ L("opcode") }}:
        btl     %eax, modrm_opcodes
        jc      {{ L("have_opcode") }}
        andl    $~3, %eax
        cmpl    $OPCODE_MOVE_OFFSET, %eax       # MOV between the accumulator and an address in the instruction
        jne     {{ L("none") }}
        call    turn_prefixes
        jc      {{ L("none") }}
        movl    $4, %ecx
        call    emulate_fetch_number
        movl    %eax, operand_offset
        ret
{{ L("have_opcode") }}:
        call    turn_prefixes
        jc      {{ L("none") }}
        jmp     operand_memory
{{ L("none") }}:
        stc
        ret
{% endcall %}

{% set L = labels("turn_prefixes") %}
# turn_prefixes(prefixes): %gs, and 32-bit addresses.
#
# in:    %ebx = prefixes
# out:   carry: others
# clob:  %ecx
# errs:  carry
{% call routine("turn_prefixes") %}
        movl    %ebx, %ecx
        xorl    emulate_default, %ecx
        andl    $(PREFIX_SEGMENT | PREFIX_ADDRESS), %ecx
        cmpl    $PREFIX_GS, %ecx
        je      {{ L("good") }}                 # equal: no carry
        stc
{{ L("good") }}:
        ret
{% endcall %}

{% set L = labels("turn_find") %}
# turn_find(): the descriptor in %gs, if it is one that may be turned.
#
# in:    %ebp = current vcpu
# out:   %eax = base, %ecx = limit in bytes, %edx = upper half of the descriptor, %edi = its address; carry: none
# clob:  none
# errs:  carry
{% call routine("turn_find") %}
        movl    %gs, %eax
        movzwl  %ax, %eax
        movl    %eax, %edi
        andl    $~(SELECTOR_RPL | SELECTOR_LDT), %edi
        testb   $SELECTOR_LDT, %al
        jnz     {{ L("local") }}
        cmpl    $GDT_RESERVED_OFFSET, %edi
        jae     {{ L("none") }}                 # ours
        addl    $DOMAIN_WINDOW, %edi
        jmp     {{ L("have_address") }}
{{ L("local") }}:
        addl    $LDT_WINDOW, %edi
{{ L("have_address") }}:
        call    segment_find
        jc      {{ L("none") }}
        pushl   %edx
        andl    $(DESCRIPTOR_S | DESCRIPTOR_CODE | DESCRIPTOR_D | DESCRIPTOR_G | DESCRIPTOR_DPL), %edx
        cmpl    $(DESCRIPTOR_S | DESCRIPTOR_D | DESCRIPTOR_G | DESCRIPTOR_DPL), %edx
        popl    %edx
        je      {{ L("good") }}                 # equal: no carry
{{ L("none") }}:
        stc
{{ L("good") }}:
        ret
{% endcall %}

{% set L = labels("turn_limit") %}
# turn_limit(descriptor): the descriptor for the other side.
#
# in:    %eax = base, %ecx = limit in bytes, %edx = upper half, %edi = address of the descriptor; operand_offset
# out:   %eax, %edx = new descriptor, low and high; carry: the offset is not on the other side, or it has no sides
# clob:  %ebx, %ecx
# errs:  carry
{% call routine("turn_limit") %}
        testl   $DESCRIPTOR_EXPAND_DOWN, %edx
        jnz     {{ L("downwards") }}
        movl    $HV_PRIVATE_START - 1, %ebx
        subl    %eax, %ebx
        subl    %ecx, %ebx                      # what is between its end and ours: less than a page
        cmpl    $PAGE_SIZE, %ebx
        jae     {{ L("inside") }}
        andl    $~PAGE_OFFSET_MASK, %eax
        negl    %eax
        shrl    $PAGE_SHIFT, %eax
        leal    -1(%eax), %ecx                  # limit field
        movl    %ecx, %ebx
        shll    $PAGE_SHIFT, %ebx
        orl     $PAGE_OFFSET_MASK, %ebx
        cmpl    operand_offset, %ebx            # offsets above it are good
        jae     {{ L("inside") }}
        jmp     {{ L("have_field") }}
{{ L("downwards") }}:
        addl    %eax, %ecx                      # its last forbidden byte
        jc      {{ L("wraps") }}
        incl    %ecx
        jnz     {{ L("inside") }}
{{ L("wraps") }}:
        cmpl    $PAGE_SIZE, %ecx                # it goes down to the first page
        jae     {{ L("inside") }}
        movl    $HV_PRIVATE_START, %ecx
        subl    %eax, %ecx
        shrl    $PAGE_SHIFT, %ecx
        decl    %ecx                            # limit field
        movl    %ecx, %ebx
        shll    $PAGE_SHIFT, %ebx
        orl     $PAGE_OFFSET_MASK, %ebx
        cmpl    operand_offset, %ebx            # offsets up to it are good
        jb      {{ L("inside") }}
{{ L("have_field") }}:
        movl    (%edi), %eax
        movw    %cx, %ax
        andl    $0xf0000, %ecx
        andl    $~0xf0000, %edx
        orl     %ecx, %edx
        xorl    $DESCRIPTOR_EXPAND_DOWN, %edx   # clears carry
        ret
{{ L("inside") }}:
        stc
        ret
{% endcall %}

        .section .rodata
{# Opcodes with a ModRM byte, one bit each. #}
{% macro bits(opcodes) %}
{% for word in range(8) %}
{% set here = [] %}
{% for opcode in opcodes if opcode // 32 == word %}
{% do here.append(opcode % 32) %}
{% endfor %}
        .long   0{% for bit in here %} | 1 << {{ bit }}{% endfor %}

{% endfor %}
{% endmacro %}
{% set one = [0x62, 0x63, 0x69, 0x6b, 0xc0, 0xc1, 0xc6, 0xc7, 0xd0, 0xd1, 0xd2, 0xd3, 0xf6, 0xf7, 0xfe, 0xff] %}
{% for opcode in range(0x40) if opcode % 8 < 4 %}{% do one.append(opcode) %}{% endfor %}
{% do one.extend(range(0x80, 0x90)) %}
{% do one.extend(range(0xd8, 0xe0)) %}
{% set two = [0x00, 0x01, 0x02, 0x03, 0x0d, 0xa3, 0xa4, 0xa5] %}
{% for first, last in [(0x10, 0x1f), (0x28, 0x2f), (0x40, 0x76), (0x78, 0x7f), (0x90, 0x9f), (0xab, 0xc7),
                       (0xd0, 0xff)] %}
{% do two.extend(range(first, last + 1)) %}
{% endfor %}
{% call object("modrm_opcodes") %}
{{ bits(one) }}
{% endcall %}
{% call object("modrm_opcodes_0f") %}
{{ bits(two) }}
{% endcall %}

{{ space("turn_length", 4) }}
