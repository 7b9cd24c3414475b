"""Hostile servers before the real binary: its memory stays bounded, and it ends within its deadline.

A hostile server may cost the run its provider, never more: the process stays under 128 MiB at its peak
(VmHWM of proc(5)), comes back by itself, and nobody is told accepted who was not.
"""

import concurrent.futures
import contextlib
import gzip
import json
import pathlib
import socket
import subprocess
import sys
import threading
import time

from faults import CONFIG, CONTACTS, Project

LIMIT_MIB = 128
# The deadlines that the configuration states.
TIMEOUTS = 'timeouts = { connect = "2s", command = "3s", data_block = "3s", data_end = "3s" }'
# Several attempts, each within its deadlines, and start and end of a debug build.
DEADLINE_S = 120
BREVO = """[[provider]]
name = "sink"
kind = "brevo"
api_key = {{ env = "HOSTILE_KEY" }}
base_url = "http://127.0.0.1:{port}/v3"
{timeouts}
[fallback]
"""


def endless(connection, piece):
    while True:
        connection.sendall(piece)


def until_gone(connection):
    while connection.recv(65536):
        pass


def drip(connection, text):
    for byte in text:
        connection.sendall(bytes([byte]))
        time.sleep(1)


def dialogue(connection, at, what):
    """A proper server until the command that begins with `at`; then `what` happens."""
    lines = connection.makefile("rb")
    connection.sendall(b"220 hostile\r\n")
    in_body = False
    for line in lines:
        if in_body:
            if line == b".\r\n":
                in_body = False
                if at == b".":
                    return what(connection)
                connection.sendall(b"250 taken\r\n")
        elif line.upper().startswith(at):
            return what(connection)
        elif line.upper().startswith(b"DATA"):
            connection.sendall(b"354 go on\r\n")
            in_body = True
        else:
            connection.sendall(b"250 fine\r\n")


def request(connection):
    """Reads one HTTP request to its end."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = next((int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")), 0)
    while len(body) < length:
        body += connection.recv(65536)


def http(connection, head, body):
    request(connection)
    connection.sendall(b"HTTP/1.1 201 Created\r\ncontent-type: application/json\r\n" + head + b"\r\n")
    body(connection)
    until_gone(connection)


def bomb():
    """A gigabyte in one megabyte."""
    return gzip.compress(b'{"messageId": "' + b"x" * (1 << 30) + b'"}', 1)


CONTINUED = b"250-more and more\r\n"
CHUNK = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
SMTP = {
    "an endless banner line": lambda c: endless(c, b"2" * 65536),
    "a banner without end, line by line": lambda c: endless(c, b"220-welcome\r\n" * 4096),
    "a banner that drips": lambda c: drip(c, b"220-" + b"slow" * 1000),
    "a million lines answer EHLO": lambda c: dialogue(c, b"EHLO", lambda c: (c.sendall(CONTINUED * 1_000_000), until_gone(c))),
    "an endless answer to MAIL": lambda c: dialogue(c, b"MAIL", lambda c: endless(c, b"250" + b"-" * 65536)),
    "a million lines answer RCPT": lambda c: dialogue(c, b"RCPT", lambda c: (c.sendall(CONTINUED * 1_000_000), until_gone(c))),
    "an endless line answers the message": lambda c: dialogue(c, b".", lambda c: endless(c, b"2" * 65536)),
    "a million lines answer the message": lambda c: dialogue(c, b".", lambda c: (c.sendall(CONTINUED * 1_000_000), until_gone(c))),
    "the answer to the message drips": lambda c: dialogue(c, b".", lambda c: drip(c, b"250-" + b"slow" * 1000)),
}
HTTP = {
    "an endless head": lambda c: (request(c), c.sendall(b"HTTP/1.1 201 Created\r\n"), endless(c, b"x-more: " + b"y" * 8000 + b"\r\n")),
    "a head that drips": lambda c: (request(c), drip(c, b"HTTP/1.1 201 Created\r\n" * 100)),
    "an endless chunked body": lambda c: http(c, b"transfer-encoding: chunked\r\n", lambda c: endless(c, CHUNK)),
    "a body that drips": lambda c: http(c, b"content-length: 4000\r\n", lambda c: drip(c, b" " * 4000)),
    "a gzip bomb": lambda c: http(c, b"content-encoding: gzip\r\ncontent-length: %d\r\n" % len(BOMB), lambda c: c.sendall(BOMB)),
}
BOMB = bomb()


def serve(what):
    """Every connection gets `what`, until the listener is closed. Returns (listener, port, connections)."""
    listener = socket.create_server(("127.0.0.1", 0))
    count = []

    def one(connection):
        count.append(1)
        # A client that leaves is what is hoped for.
        with contextlib.suppress(OSError), connection:
            what(connection)

    def accept():
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=one, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return listener, listener.getsockname()[1], count


def peak_mib(process):
    """Waits for the end, and gives the peak of the memory as last seen."""
    peak, begun = 0, time.monotonic()
    while process.poll() is None:
        with contextlib.suppress(OSError):
            for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines():
                if line.startswith("VmHWM"):
                    peak = max(peak, int(line.split()[1]) // 1024)
        if time.monotonic() - begun > DEADLINE_S:
            process.kill()
            raise AssertionError(f"still there after {DEADLINE_S} s")
        time.sleep(0.02)
    return peak, time.monotonic() - begun


def meet(binary, name, kind, what):
    listener, port, connections = serve(what)
    project = Project(binary, port)
    config = CONFIG.format(port=port)
    if kind == "smtp":
        config = config.replace("[fallback]", TIMEOUTS + "\n[fallback]")
    else:
        config = config[: config.index("[[provider]]")] + BREVO.format(port=port, timeouts=TIMEOUTS) + "require_authenticated = false\n"
    (project.folder / "depeche.toml").write_text(config)
    command = [binary, "-C", str(project.folder), "--lang", "en", "send", "release.md", "--to", "contacts.csv"]
    command += ["--confirm", str(CONTACTS), "--no-wait", "--json"]
    with open(project.folder / "out", "w+") as out, open(project.folder / "err", "w+") as err:
        process = subprocess.Popen(command, stdout=out, stderr=err, env={"HOSTILE_KEY": "hostile", "PATH": "/usr/bin:/bin"})
        try:
            peak, seconds = peak_mib(process)
        except AssertionError as error:
            raise AssertionError(f"{kind}, {name}: {error}") from error
        out.seek(0)
        err.seek(0)
        told, said = out.read(), err.read()
    listener.close()
    assert connections, f"{kind}, {name}: nobody came: {told} {said}"
    document = json.loads(told)
    assert "totals" in document, f"{kind}, {name}: {told} {said}"
    totals = document["totals"]
    assert totals["recipients"] == CONTACTS and totals["accepted"] == 0, f"{kind}, {name}: {totals}"
    assert totals["pending"] + totals["unknown"] + totals["refused"] + totals["held"] == CONTACTS, f"{kind}, {name}: {totals}"
    assert 0 < peak < LIMIT_MIB, f"{kind}, {name}: {peak} MiB"
    project.close()
    print(f"hostile: {kind}, {name}: {peak} MiB, {seconds:.1f} s, exit {process.returncode}, {totals['pending']} pending, {totals['unknown']} uncertain", flush=True)
    return peak, seconds


def main():
    binary = str(pathlib.Path(sys.argv[1]).resolve())
    servers = [(name, kind, what) for kind, all_of in (("smtp", SMTP), ("http", HTTP)) for name, what in all_of.items()]
    with concurrent.futures.ThreadPoolExecutor(7) as pool:
        met = [*pool.map(lambda server: meet(binary, *server), servers)]
    peak, seconds = max(peak for peak, _ in met), max(seconds for _, seconds in met)
    print(f"hostile: {len(met)} servers, {peak} MiB at most (limit {LIMIT_MIB}), {seconds:.1f} s at most")


if __name__ == "__main__":
    main()
