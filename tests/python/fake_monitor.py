#!/usr/bin/python3 -I
# SPDX-License-Identifier: Apache-2.0
"""Stands in for cella-monitor in the host's tests: reports ready, opens a front's link and echoes what clients send.

Clients steer it with one line per connection: PUT/GET/DELETE id, VIEW (what the file system looks like), EXIT, NOISE,
BADFRAME, DOOR, COLLATERAL request (FRONTCOLLATERAL: on the wrong link). Everything else is echoed.
"""

import json
import os
import socket
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import link_driver as ld  # noqa: E402

READY = {
    "executor": "E" * 43,
    "measurement": "sha256:" + "ab" * 32,
    "root": "ed25519:" + "R" * 43,
    "charter": "cd" * 32,
    "platform": "soft",
    "layers": ["namespaces", "seccomp"],
    "version": "0.1.0",
}


def view() -> bytes:
    places = ["/sys/fs/cgroup", "/sys/fs/cgroup/memory", "/sys/fs/cgroup/pids"]
    groups = [place for place in places if os.path.exists(place + "/cgroup.procs")]
    limits = ["memory.max", "memory.limit_in_bytes", "pids.max", "cgroup.max.descendants"]
    tree = {
        "sys": [where for where, _, _ in os.walk("/sys")],
        "control_groups": groups,
        "own_limits": [f"{one}/{name}" for one in groups for name in limits if os.access(f"{one}/{name}", os.W_OK)],
        "root": sorted(os.listdir("/")),
        "etc": sorted(os.listdir("/etc")),
        "dev": sorted(os.listdir("/dev")),
        "proc": sorted(name for name in os.listdir("/proc") if not name.isdigit()),
        "processes": sorted(int(name) for name in os.listdir("/proc") if name.isdigit()),
        "descriptors": sorted(int(name) for name in os.listdir("/proc/self/fd")),
        "uid": os.getuid(),
        "groups": os.getgroups(),
        "pid": os.getpid(),
        "environment": dict(os.environ),
        "argv": open("/proc/self/cmdline").read().split("\0"),
        "capabilities": [line for line in open("/proc/self/status") if line.startswith(("Cap", "NoNewPrivs"))],
        "seed": len(os.pread(5, 100, 0)),
        "charter": os.pread(6, 1000, 0).decode(),
        "configuration": json.loads(os.pread(7, 1000, 0)),
        "writable": [],
    }
    for folder in ("/", "/usr", "/cella", "/proc", "/dev", "/etc", "/lib"):
        try:
            with open(folder + "/x", "w"):
                tree["writable"].append(folder)
        except OSError:
            pass
    return json.dumps(tree).encode()


class Monitor:
    def __init__(self) -> None:
        self.link = ld.Link(socket.socket(fileno=3), "enclave", "M")
        self.door = socket.socket(fileno=4)
        self.front = ld.Link(self.ask_door(b"F"), "enclave", "F")
        self.link.note(ld.NOTE_READY, json.dumps(READY).encode())
        self.transfers = []
        self.clients = []

    def ask_door(self, role: bytes) -> socket.socket:
        self.door.send(role)
        byte, descriptors, _, _ = socket.recv_fds(self.door, 1, 1)
        if byte != role:
            raise OSError("the door stayed closed")
        return socket.socket(fileno=descriptors[0])

    def command(self, client, line: str) -> None:
        words = line.split()
        if words[0] == "VIEW":
            client.send(view())
            client.end()
        elif words[0] == "EXIT":
            print("about to exit\x1b[31m", file=sys.stderr, flush=True)
            os._exit(int(words[1]))
        elif words[0] == "NOISE":
            os.write(2, b"noise\n" * 100000)
            client.end()
        elif words[0] == "BADFRAME":
            self.front.write(ld.frame(0, 99))
        elif words[0] == "DOOR":
            count = 0
            kept = []
            try:
                while True:
                    kept.append(self.ask_door(b"C"))
                    count += 1
            except OSError:
                client.send(str(count).encode())
                client.end()
        elif words[0] in ("COLLATERAL", "FRONTCOLLATERAL"):
            link = self.link if words[0] == "COLLATERAL" else self.front
            stream = link.open(ld.COLLATERAL, ld.field_of(line.partition(" ")[2].encode()))
            stream.end()
            self.transfers.append((client, stream))
        elif words[0] == "DELETE":
            stream = self.link.open(ld.DELETE, ld.field_of(words[1].encode()))
            stream.end()
            self.transfers.append((client, stream))
        elif words[0] == "GET":
            stream = self.link.open(ld.GET, ld.field_of(words[1].encode()))
            stream.end()
            self.transfers.append((client, stream))
        elif words[0] == "PUT":
            size, declared = int(words[2]), int(words[3])
            stream = self.link.open(ld.PUT, ld.field_of(words[1].encode()) + declared.to_bytes(8, "big"))
            stream.send(b"x" * size)
            if len(words) == 4:
                stream.end()
            self.transfers.append((client, stream))

    def step_client(self, client) -> None:
        data = client.take()
        if client.kind != ld.CONNECTION:
            client.cancel()
            return
        if data.split(b" ")[0] in (b"VIEW", b"EXIT", b"NOISE", b"BADFRAME", b"DOOR", b"PUT", b"GET", b"DELETE", b"COLLATERAL",
                                    b"FRONTCOLLATERAL"):
            self.command(client, data.decode())
        elif data:
            client.send(data)
        if client.ended_there and not client.end_wanted:
            if not any(stream.over is False for owner, stream in self.transfers if owner is client):
                client.end()

    def step_transfers(self) -> None:
        for client, stream in list(self.transfers):
            data = stream.take()
            if data:
                client.send(data)
            if stream.ended_there or stream.reset is not None:
                self.transfers.remove((client, stream))
                if stream.reset is not None:
                    client.send(b"RESET %d" % stream.reset)
                client.end()

    def run(self) -> None:
        import select

        while not self.link.closed:
            select.select([self.link, self.front], [], [], 0.02)
            self.link.step()
            self.front.step()
            if any(kind == ld.NOTE_DRAIN for kind, _ in self.link.notes):
                os._exit(0)
            for client in list(self.front.streams.values()):
                self.step_client(client)
            self.step_transfers()


if "--measure" in sys.argv:
    print("measured")
    sys.exit(0)
Monitor().run()
