"""Upserts to a real daemon: how many are acknowledged a second, and how long one takes.

usage: reporting.py CONNECTIONS UPSERTS; prints upserts a second, and the p50 and p99 in ms.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time

from clankers._rpc.framing import Frames, framed
from clankers.daemon import Client
from clankers.errors import DaemonError
from clankers.store import Store


async def client(socket: str, worker: int, count: int, took: list[float]) -> None:
    reader, writer = await asyncio.open_unix_connection(socket)
    frames = Frames()
    for number in range(count):
        tool = {
            "id": f"s{worker}-call{number}",
            "sessionId": f"s{worker}",
            "toolName": "Bash",
            "toolInput": '{"command": "pytest -q"}',
            "toolOutput": '"1 passed in 0.12 s"',
            "success": True,
        }
        request = {"jsonrpc": "2.0", "id": number, "method": "upsertTool", "params": {"tool": tool}}
        started = time.perf_counter()
        writer.write(framed(json.dumps(request).encode()))
        while not (bodies := list(frames.feed(await reader.read(65_536)))):
            pass
        took.append(time.perf_counter() - started)
        assert b'"ok":true' in bodies[0], bodies[0]
    writer.close()


async def measured(socket: str, connections: int, upserts: int) -> tuple[float, list[float]]:
    took: list[float] = []
    started = time.perf_counter()
    each = upserts // connections
    await asyncio.gather(*(client(socket, worker, each, took) for worker in range(connections)))
    return each * connections / (time.perf_counter() - started), sorted(took)


def main(connections: int, upserts: int) -> None:
    with tempfile.TemporaryDirectory(prefix="clk") as folder:
        socket = f"{folder}/d.sock"
        options = ["--socket", socket, "--data-root", folder, "--db-path", f"{folder}/c.db"]
        command = [sys.executable, "-m", "clankers_cli", "daemon", *options, "--no-watch"]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as daemon:
            _wait(socket)
            rate, took = asyncio.run(measured(socket, connections, upserts))
            daemon.terminate()
        with Store.open(f"{folder}/c.db", read_only=True) as store:
            stored = store.connection.execute("SELECT count(*) FROM tools").get
            assert stored == upserts // connections * connections, stored
    print(rate, took[len(took) // 2] * 1000, took[len(took) * 99 // 100] * 1000)


def _wait(socket: str) -> None:
    for _try in range(500):
        try:
            with Client(socket) as client:
                client.call("health")
        except DaemonError:
            time.sleep(0.02)
        else:
            return


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
