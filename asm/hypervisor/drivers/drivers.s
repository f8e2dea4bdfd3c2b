# The table of drivers: each row says for which functions of PCI a driver is, and what is called for one.
#
# Invariants
#   - The first row that fits is taken. A probe routine is in .init, is called once for each function, and either makes
#     a device of it, or leaves it alone and says why in the log.

        .section .init, "ax"

{# register, mask, value, probe #}
{% set rows = [
        ("PCI_ID", "0xffffffff", "VIRTIO_ID_NET", "virtio_net_probe"),
        ("PCI_ID", "0xffffffff", "E1000_PCI_ID", "e1000_probe"),
        ("PCI_ID", "0xffffffff", "VIRTIO_ID_BLOCK", "virtio_blk_probe"),
        ("PCI_CLASS", "PCI_CLASS_MASK", "PCI_CLASS_IDE", "ide_probe"),
] %}
{% call object("driver_table") %}
{% for register, mask, value, probe in rows %}
        .long   {{ register }}, {{ mask }}, {{ value }}, {{ probe }}
{% endfor %}
{% endcall %}
        .globl  driver_table_end
        .type   driver_table_end, @object
driver_table_end:
        .size   driver_table_end, 0
