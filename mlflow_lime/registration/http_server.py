"""An HTTP server for one application, within bounds that an attacker cannot move."""

import asyncio
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from mlflow_lime.errors import ConfigError

__all__ = ["address_of", "is_loopback", "listen", "serve"]

MOST_CONNECTIONS = 512
"""Connections at a time; further ones are closed at once."""
HEAD_PATIENCE = 5.0
"""Seconds within which a connection must bring the first head of a request."""
MOST_HEADERS = 16 * 1024
"""Bytes of all headers of a request."""
PATIENCE = 30.0
"""Seconds within which a connection must bring a request and take its answer."""


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach a host's address.

    Examples
    --------
    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    return all(ip_address(address).is_loopback for address in _addresses(host))


def _addresses(host: str) -> list[str]:
    try:
        found = socket.getaddrinfo(host or "0.0.0.0", None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        msg = f"--host {host!r} is no address of this machine; expected one such as 127.0.0.1"
        raise ConfigError(msg) from error
    return [str(entry[4][0]).partition("%")[0] for entry in found]


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises
    ------
    ConfigError
        If the address is not one of this machine, or the port is taken.
    """
    address = _addresses(host)[0]
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        return socket.create_server((address, port), family=family, backlog=512)
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        msg = (
            f"cannot listen on {host}:{port}: {reason}; end the process that has the port, or "
            "choose another one with --port"
        )
        raise ConfigError(msg) from error


def address_of(listening: socket.socket) -> str:
    """Return ``http://host:port`` of a socket."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(app: Any, listening: socket.socket, stop: threading.Event) -> None:
    """Serve an application until an event is set; requests that are under way get 5 seconds.

    Signals are left as they are.
    """
    config = uvicorn.Config(
        app,
        http=_Protocol,
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=MOST_HEADERS,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=5,
    )
    asyncio.run(_Server(config, stop).serve(sockets=[listening]))


class _Server(uvicorn.Server):
    """A server that is ended by an event, and leaves signals to others."""

    def __init__(self, config: uvicorn.Config, stop: threading.Event) -> None:
        super().__init__(config)
        self._stop = stop

    async def on_tick(self, counter: int) -> bool:
        """Return whether to end; asked ten times a second."""
        return await super().on_tick(counter) or self._stop.is_set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def install_signal_handlers(self) -> None:
        """Do nothing; older versions of uvicorn ask for this in place of the other."""


class _Protocol(H11Protocol):
    """A connection that is closed when it takes too long, or when there are too many."""

    _overdue: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()
            return
        # The head and the body of an answer are two writes; the second would wait for the client's
        # acknowledgement, 40 ms, since asyncio does not know this kind of socket for TCP.
        connected = transport.get_extra_info("socket")
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._watch(HEAD_PATIENCE)

    def handle_events(self) -> None:
        # Called for each part that comes; a head that is complete makes a cycle.
        before = self.cycle
        super().handle_events()
        if self.cycle is not before:
            self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._overdue is not None:
            self._overdue.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch()

    def _watch(self, seconds: float = PATIENCE) -> None:
        if self._overdue is not None:
            self._overdue.cancel()
        self._overdue = self.loop.call_later(seconds, self.transport.abort)
