# The types of frames that need no look at what is in them: writable, and none.

        .text

# writable_validate(frame): any contents will do.
#
# in:    %eax = FRAME
# out:   %eax = 0
# clob:  none
# errs:  none
{% call routine("writable_validate") %}
        xorl    %eax, %eax
        ret
{% endcall %}

# none_validate(frame): no type cannot be asked for.
#
# in:    %eax = FRAME
# out:   %eax = -EINVAL
# clob:  none
# errs:  -EINVAL
{% call routine("none_validate") %}
        movl    $-EINVAL, %eax
        ret
{% endcall %}

# none_devalidate(frame): nothing to drop.
#
# in:    %eax = FRAME
# out:   no carry: complete
# clob:  none
# errs:  none
{% call routine("none_devalidate") %}
        clc
        ret
{% endcall %}
