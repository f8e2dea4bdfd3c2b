"""The process that runs Keystone: a bad directive can crash or hang it, and then only this process is lost.

Invariants
  - Request on stdin: u32 length, u64 address, then that many bytes of assembler text.
  - Reply on stdout: u32 status, u32 length, then that many bytes: machine code for status OK, else Keystone's words.
  - Keystone itself writes to stderr, which the parent reads after the reply.
"""

from __future__ import annotations

import struct
import sys
from typing import BinaryIO

REQUEST = struct.Struct("<IQ")
REPLY = struct.Struct("<II")
OK, REFUSED, NOTHING = 0, 1, 2


def serve(requests: BinaryIO, replies: BinaryIO) -> None:
    """Answer requests until the other end is closed."""
    from keystone import KS_ARCH_X86, KS_MODE_32, KS_OPT_SYNTAX_ATT, Ks, KsError

    assembler = Ks(KS_ARCH_X86, KS_MODE_32)
    assembler.syntax = KS_OPT_SYNTAX_ATT
    while header := requests.read(REQUEST.size):
        size, address = REQUEST.unpack(header)
        text = requests.read(size)
        try:
            code, _ = assembler.asm(text, address, True)
        except KsError as error:
            status, answer = REFUSED, str(error).encode()
        else:
            status, answer = (OK, code) if code is not None else (NOTHING, b"")
        replies.write(REPLY.pack(status, len(answer)) + answer)
        replies.flush()


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
