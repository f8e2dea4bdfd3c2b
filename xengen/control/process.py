"""The background process of a host: how `xengen up` starts it, and what runs in it.

Invariants
  - At most one process serves a host's socket; a socket that nobody serves (after a crash) is replaced.
  - The starter waits until the host takes calls or has ended, and says which.
  - Whatever ends the process ends its machine: QEMU dies with it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from xengen.control.channel import Client
from xengen.control.places import HostPlaces
from xengen.control.server import Server
from xengen.errors import UserError, XengenError
from xengen.machine.options import parse_disk, parse_net

START_SECONDS = 60.0


@dataclass(frozen=True)
class HostSpec:
    """What a host is made of: images, memory in bytes, the hypervisor's command line.

    disks, nets: as xengen/machine/options.py takes them.
    """

    hypervisor: Path
    agent: Path
    memory: int
    append: str = ""
    disks: tuple[str, ...] = ()
    nets: tuple[str, ...] = ()


def start(spec: HostSpec, places: HostPlaces) -> None:
    """Start a host in the background and wait until it takes calls. UserError when it does not, or one runs already."""
    if _answers(places):
        raise UserError("a host is running already: xengen down ends it, or give another one a name with --host")
    places.socket.unlink(missing_ok=True)
    words = json.dumps(asdict(spec), default=str)
    with places.log.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "xengen.control.process", words, str(places.folder)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    deadline = time.monotonic() + START_SECONDS
    while not _answers(places):
        if process.poll() is not None:
            last = places.log.read_text(errors="replace").strip().splitlines()[-1:] or ["it said nothing"]
            raise UserError(f"the host did not start: {last[0]}")
        if time.monotonic() > deadline:
            process.kill()
            raise UserError(f"the host did not start within {START_SECONDS:g} s: see {places.log}")
        time.sleep(0.05)
    process.returncode = 0  # it lives on by itself


def _answers(places: HostPlaces) -> bool:
    with suppress(UserError), Client(places.socket):
        return True
    return False


def serve(spec: HostSpec, places: HostPlaces) -> None:
    """Be the host: boot the machine, take calls until `down`."""
    from xengen.control.host import Host
    from xengen.control.methods import Methods

    disks, nics = [parse_disk(text) for text in spec.disks], [parse_net(text) for text in spec.nets]
    with Host.boot(
        spec.hypervisor, spec.agent, memory=spec.memory, append=spec.append, places=places, disks=disks, nics=nics
    ) as host:
        methods = Methods(host)
        server = Server(methods, places.socket)
        methods.on_down = server.stop
        host.when_ended(server.die)
        server.serve()


def main(words: str, folder: str) -> int:
    """Run in the background process; what goes wrong is the log's last line."""
    found = json.loads(words)
    images = Path(found["hypervisor"]), Path(found["agent"])
    spec = HostSpec(*images, found["memory"], found["append"], tuple(found["disks"]), tuple(found["nets"]))
    try:
        serve(spec, HostPlaces(Path(folder)))
    except XengenError as error:
        print(error, file=sys.stderr)
        return os.EX_UNAVAILABLE
    return os.EX_OK


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
