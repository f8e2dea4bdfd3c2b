# Virtual interfaces as devices: there are none yet.
#
# Invariants
#   - No device is of the kind IO_VIF.

        .text

# vifs_run(): a run of work for virtual interfaces.
#
# in:    -
# out:   -
# clob:  %eax, %ebx, %ecx, %edx, %esi, %edi, %ebp
# errs:  none
{% call routine("vifs_run") %}
        ret
{% endcall %}

# vif_settle(device): nothing of it is in flight, and it is not connected: its rings go.
#
# in:    %edx = VIRTUAL_DEVICE
# out:   -
# clob:  %eax, %ebx, %ecx, %esi, %edi
# errs:  none
{% call routine("vif_settle") %}
        ret
{% endcall %}

# vif_free(device): nobody knows it any more: its block goes.
#
# in:    %edx = VIRTUAL_DEVICE
# out:   -
# clob:  %eax, %ebx, %ecx, %esi, %edi
# errs:  none
{% call routine("vif_free") %}
        ret
{% endcall %}
