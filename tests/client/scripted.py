"""A server that answers connections one after the other as a script says, and keeps what it was sent."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


def answer(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    head = [f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


@contextmanager
def scripted(*connections: list[bytes | None]) -> Iterator[tuple[str, list[bytes]]]:
    """(address, requests).

    Args:
        connections: of each, in turn, what each of its requests is answered by; then it is closed. None: it stays open
            and nothing is said.
    """
    listening = socket.create_server(("127.0.0.1", 0))
    asked: list[bytes] = []
    held: list[socket.socket] = []

    def run() -> None:
        for answers in connections:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            held.append(connection)
            for said in answers:
                request = _request(connection)
                if not request:  # the client closed it
                    break
                asked.append(request)
                if said is None:
                    break
                with suppress(ConnectionError):  # the client left before it was all sent
                    connection.sendall(said)
            else:
                connection.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", asked
    finally:
        listening.shutdown(socket.SHUT_RDWR)  # wakes accept
        listening.close()
        for connection in held:
            if connection.fileno() >= 0:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)  # wakes recv
                connection.close()
        thread.join(5)


def _request(connection: socket.socket) -> bytes:
    found = b""
    while b"\r\n\r\n" not in found:
        piece = connection.recv(65536)
        if not piece:
            return found
        found += piece
    head, _, body = found.partition(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body
