# I/O privilege of a vcpu: physdev_op and its old form (ABI 10.7). What it is good for: entry/emulate/io.s.
#
# Invariants
#   - The processor's IOPL is 0 while a guest runs, and the TSS has no I/O bitmap: every access of a port comes to us.
#     The virtual IOPL and the guest's bitmap say whether we make it, and only they change here.
#   - The bitmap is the guest's memory: its address is kept, its bits are read anew at each access.

        .text

{% set L = labels("do_physdev_op_compat") %}
# do_physdev_op_compat(op): the old form: command and argument in one structure.
#
# in:    %ebx = address of a PHYSDEV_OP; %ebp = current vcpu
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx, %esi, %edi
# errs:  -EFAULT, and as do_physdev_op
{% call routine("do_physdev_op_compat") %}
        movl    %ebx, %esi
        movl    $physdev_argument, %edi
        movl    $PHYSDEV_OP_u, %ecx
        call    copy_from_guest
        testl   %eax, %eax
        jnz     {{ L("refused") }}
        leal    PHYSDEV_OP_u(%ebx), %ecx
        movl    physdev_argument, %ebx
        jmp     do_physdev_op
{{ L("refused") }}:
        ret
{% endcall %}

{% set L = labels("do_physdev_op") %}
# do_physdev_op(cmd, argument): sets the virtual IOPL, or the I/O bitmap.
#
# in:    %ebx = PHYSDEVOP_*, %ecx = address of its argument; %ebp = current vcpu
# out:   %eax = 0 or an error
# clob:  %ecx, %esi, %edi
# errs:  -EFAULT, -EINVAL (no such privilege, too many ports), -ENOSYS (another cmd)
{% call routine("do_physdev_op") %}
        movl    $-ENOSYS, %eax
        movl    %ecx, %esi
        movl    $physdev_argument, %edi
        movl    $PHYSDEV_SET_IOPL_size, %ecx
        cmpl    $PHYSDEVOP_set_iopl, %ebx
        je      {{ L("known") }}
        movl    $PHYSDEV_SET_IOBITMAP_size, %ecx
        cmpl    $PHYSDEVOP_set_iobitmap, %ebx
        jne     {{ L("refused") }}
{{ L("known") }}:
        call    copy_from_guest
        testl   %eax, %eax
        jnz     {{ L("refused") }}
        movl    $-EINVAL, %eax
        cmpl    $PHYSDEVOP_set_iopl, %ebx
        jne     {{ L("bitmap") }}
        movl    physdev_argument + PHYSDEV_SET_IOPL_iopl, %ecx
        cmpl    $3, %ecx
        ja      {{ L("refused") }}
        movl    %ecx, VCPU_iopl(%ebp)
        xorl    %eax, %eax
        ret
{{ L("bitmap") }}:
        movl    physdev_argument + PHYSDEV_SET_IOBITMAP_nr_ports, %ecx
        cmpl    $IO_PORTS, %ecx
        ja      {{ L("refused") }}
        movl    %ecx, VCPU_io_ports(%ebp)
        movl    physdev_argument + PHYSDEV_SET_IOBITMAP_bitmap, %ecx
        movl    %ecx, VCPU_io_bitmap(%ebp)
        xorl    %eax, %eax
{{ L("refused") }}:
        ret
{% endcall %}

{{ space("physdev_argument", "PHYSDEV_SET_IOBITMAP_size") }}
