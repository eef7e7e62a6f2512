"""A burst of valid deliveries over loopback against a real ``mlflow-lime serve``.

For each number of connections: every delivery must be acknowledged and queued once; time is from
before the connection is made to after the answer is read. Then the same with forged deliveries in
between, which must all be refused. Exits with 1 where one is not, or where the 99th percentile
without forged ones is 50 ms or more.

Run ``python benchmarks/receiver.py [--deliveries 1000] [--forged 3] [--profile FILE]``.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path

import numpy as np
import psutil

from mlflow_lime.registration.signature import sign

SECRET = "only-for-this-benchmark"
CONNECTIONS = (1, 10, 32)
"""The second is what MLflow's own pool has."""
LIMIT = 0.050
"""Seconds of the 99th percentile."""


def start(folder: Path, port: int, profile: str | None) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        "MLFLOW_LIME_WEBHOOK_SECRET": SECRET,
        "MLFLOW_LIME_HOME": str(folder / "home"),
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'store.db'}",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    make = "import mlflow; mlflow.MlflowClient().search_registered_models()"
    subprocess.run([sys.executable, "-c", make], env=environment, check=True, capture_output=True)
    tracer = ["-m", "cProfile", "-o", profile] if profile else []
    command = ["-m", "mlflow_lime", "serve", "-w", "0", "-m", "credit-*", "--port", str(port)]
    process = subprocess.Popen([sys.executable, *tracer, *command], env=environment)
    until = time.monotonic() + 120
    while time.monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1):
                return process
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    process.kill()
    raise SystemExit("the receiver did not start")


def request(number: int, label: str, *, forged: bool) -> bytes:
    data = {"name": f"credit-{label}", "version": str(number + 1), "source": "models:/m-1f2e"}
    event = {"entity": "model_version", "action": "created", "timestamp": "2026-01-01"}
    body = json.dumps({**event, "data": {**data, "run_id": None, "tags": {}}}).encode()
    name, moment = str(uuid.uuid4()), int(time.time())
    signature = sign("forged" if forged else SECRET, name, moment, body).decode()
    head = (
        "POST /webhook HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nX-MLflow-Delivery-Id: {name}\r\n"
        f"X-MLflow-Timestamp: {moment}\r\nX-MLflow-Signature: {signature}\r\n\r\n"
    )
    return head.encode() + body


def answer(connection: socket.socket) -> tuple[int, bytes]:
    """Read one answer: its code and its body."""
    read = b""
    while b"\r\n\r\n" not in read:
        read += connection.recv(65536) or b"\r\n\r\n"
    head, _, body = read.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(65536)
    return int(head.split(b" ", 2)[1]), body


def burst(port: int, count: int, connections: int, forged: int) -> tuple[list[float], list[int]]:
    """Send from so many threads, and return the seconds of the valid ones, and all codes.

    The requests are written beforehand, and sockets are read without a library, so that what is
    timed is the receiver.
    """
    label = uuid.uuid4().hex[:8]
    waiting = [
        (request(number, label, forged=fake), fake)
        for number in range(count)
        for fake in [False, *[True] * forged]
    ]
    seconds: list[float] = []
    codes: list[int] = []

    def send() -> None:
        connection = None
        while waiting:
            try:
                content, fake = waiting.pop()
            except IndexError:
                break
            began = time.perf_counter()
            if connection is None:
                connection = socket.create_connection(("127.0.0.1", port), timeout=30)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sendall(content)
            code, said = answer(connection)
            took = time.perf_counter() - began
            codes.append(code if (b'"refused"' if fake else b'"queued"') in said else 0)
            if not fake:
                seconds.append(took)
        if connection is not None:
            connection.close()

    threads = [threading.Thread(target=send) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return seconds, codes


def queued(port: int) -> int:
    time.sleep(1.1)  # the receiver tells the same for a second
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as metrics:
        lines = metrics.read().decode().splitlines()
    return int(float(next(x for x in lines if 'state="waiting"' in x).split()[-1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deliveries", type=int, default=1000)
    parser.add_argument("--forged", type=int, default=3, help="forged ones beside each valid one")
    parser.add_argument("--port", type=int, default=18765)
    parser.add_argument("--profile", help="write what cProfile finds in the receiver")
    options = parser.parse_args()
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        process = start(Path(folder), options.port, options.profile)
        try:
            rss = psutil.Process(process.pid).memory_info
            print(f"memory {rss().rss / 2**20:.0f} MiB")
            expected = 0
            for forged in (0, options.forged):
                for connections in CONNECTIONS:
                    began = time.perf_counter()
                    seconds, codes = burst(options.port, options.deliveries, connections, forged)
                    whole = time.perf_counter() - began
                    expected += options.deliveries
                    p50, p99, worst = np.quantile(seconds, [0.5, 0.99, 1]) * 1000
                    taken, refused = codes.count(202), codes.count(401)
                    good = taken == options.deliveries and refused == forged * options.deliveries
                    good &= (forged > 0 or p99 < LIMIT * 1000) and queued(options.port) == expected
                    failed |= not good
                    print(
                        f"{connections:3d} connections, {taken} taken, {refused} forged refused: "
                        f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, most {worst:.1f} ms, "
                        f"{len(codes) / whole:.0f}/s, memory {rss().rss / 2**20:.0f} MiB"
                        f"{'' if good else '  FAILED'}"
                    )
        finally:
            process.terminate()
            process.wait(30)
    sys.exit(failed)


if __name__ == "__main__":
    main()
