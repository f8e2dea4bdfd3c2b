# In which order requests go to a disk: the elevator, the barrier, and room.
#
# Invariants
#   - VBD_waiting is sorted: sectors from VBD_position on in ascending order, then those below it, as a lift goes that
#     begins again at the bottom each time. What comes later takes its place among those that wait.
#   - A disk is asked for no more than it has room for.

        .text

{% set L = labels("vbd_wait") %}
# vbd_wait(request): puts it where the elevator has it.
#
# in:    %ebp = VBD, %esi = VBD_REQUEST with its DISK_REQUEST
# out:   -
# clob:  %eax, %ebx, %ecx, %edx, %edi
# errs:  none
# why:   the distance upwards from VBD_position is the order: what is below is far away
{% call routine("vbd_wait") %}
        movl    $VBD_REQUEST_WAITING, VBD_REQUEST_used(%esi)
        movl    VBD_REQUEST_disk_sector(%esi), %eax
        movl    VBD_REQUEST_disk_sector_high(%esi), %edx
        subl    VBD_position(%ebp), %eax
        sbbl    VBD_position_high(%ebp), %edx
        movl    %edx, vbd_distance_high
        leal    VBD_waiting - VBD_REQUEST_next(%ebp), %edi
        jmp     {{ L("next_waiting") }}
{{ L("not_before") }}:
        movl    %ebx, %edi
{{ L("next_waiting") }}:
        movl    VBD_REQUEST_next(%edi), %ebx
        testl   %ebx, %ebx
        jz      {{ L("place") }}
        movl    VBD_REQUEST_disk_sector(%ebx), %ecx
        movl    VBD_REQUEST_disk_sector_high(%ebx), %edx
        subl    VBD_position(%ebp), %ecx
        sbbl    VBD_position_high(%ebp), %edx
        cmpl    %ecx, %eax
        movl    vbd_distance_high, %ecx
        sbbl    %edx, %ecx
        jae     {{ L("not_before") }}
{{ L("place") }}:
        movl    %ebx, VBD_REQUEST_next(%esi)
        movl    %esi, VBD_REQUEST_next(%edi)
        ret
{% endcall %}

{% set L = labels("vbd_submit") %}
# vbd_submit(vbd): asks disks for what waits, as far as there is room.
#
# in:    %ebp = VBD
# out:   VBD_waiting; vbd_submitted = 1 when something has gone
# clob:  %eax, %ebx, %ecx, %edx, %esi, %edi
# errs:  none
{% call routine("vbd_submit") %}
        movl    VBD_waiting(%ebp), %esi
        testl   %esi, %esi
        jz      {{ L("none_left") }}
        movl    VBD_REQUEST_disk_disk(%esi), %ebx
        cmpl    $0, DISK_room(%ebx)
        je      {{ L("none_left") }}
        movl    VBD_REQUEST_next(%esi), %eax
        movl    %eax, VBD_waiting(%ebp)
        movl    VBD_REQUEST_disk_sector(%esi), %eax
        movl    VBD_REQUEST_disk_sector_high(%esi), %edx
        addl    VBD_REQUEST_asked(%esi), %eax
        adcl    $0, %edx
        movl    %eax, VBD_position(%ebp)
        movl    %edx, VBD_position_high(%ebp)
        movl    $VBD_REQUEST_AT_DISK, VBD_REQUEST_used(%esi)
        movl    $1, vbd_submitted
        call    disk_submit
        jmp     vbd_submit
{{ L("none_left") }}:
        ret
{% endcall %}

{% set L = labels("vbd_barrier_begin") %}
# vbd_barrier_begin(vbd): a barrier begins, when nothing before it is in flight.
#
# in:    %ebp = VBD, connected
# out:   -
# clob:  %eax, %ebx, %ecx, %edx, %esi, %edi
# errs:  none
{% call routine("vbd_barrier_begin") %}
        movl    VBD_barrier(%ebp), %esi
        testl   %esi, %esi
        jz      {{ L("not_now") }}
        cmpl    $VBD_REQUEST_HELD, VBD_REQUEST_used(%esi)
        jne     {{ L("not_now") }}
        cmpl    $1, VIRTUAL_DEVICE_in_flight(%ebp)
        je      vbd_go_on
{{ L("not_now") }}:
        ret
{% endcall %}

{{ space("vbd_distance_high", 4) }}
