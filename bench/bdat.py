"""BDAT beside pipelined DATA, over one warm connection to a real Postfix; see bdat.sh.

What both ways must keep is DELIVERY.md's: no octet of a body before the last message of the connection was
answered, and nothing behind the last message of a connection. So at most one message is on its way:

- DATA: MAIL, RCPT and DATA of the next message in the write that ends this one; its body after its 354.
- BDAT: MAIL, RCPT and `BDAT n LAST` with the body in one write, after the answer to the message before.
"""

import datetime
import pathlib
import socket
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests"))

from bounces import Postfix, free_port
from roundtrips import Turns, proxy
from send import machine, replace

HEAD = "From: presse@exemple.test\r\nTo: j@dehors.test\r\nSubject: essai\r\nMIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"
LINE = "<p>La production des capteurs sans mercure commence a Grenoble, avec 120 personnes.</p>\r\n"
BODY = (HEAD + LINE * 240).encode()


class Session:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.reader = self.socket.makefile("rb")
        self.expect(b"220")
        self.socket.sendall(b"EHLO bench.test\r\n")
        offered = self.expect(b"250")
        assert b"PIPELINING" in offered and b"CHUNKING" in offered, offered

    def expect(self, code):
        lines = b""
        while True:
            line = self.reader.readline()
            lines += line
            assert line.startswith(code), lines
            if line[3:4] != b"-":
                return lines

    def close(self):
        self.socket.sendall(b"QUIT\r\n")
        self.expect(b"221")
        self.socket.close()


ENVELOPE = b"MAIL FROM:<presse@exemple.test>\r\nRCPT TO:<j@dehors.test>\r\n"
# RFC 5321, 4.5.2: a line that begins with a dot gets another one.
STUFFED = BODY.replace(b"\r\n.", b"\r\n..")


def by_data(session, count):
    session.socket.sendall(ENVELOPE + b"DATA\r\n")
    for number in range(count):
        for code in (b"250", b"250", b"354"):
            session.expect(code)
        behind = ENVELOPE + b"DATA\r\n" if number + 1 < count else b""
        session.socket.sendall(STUFFED + b".\r\n" + behind)
        session.expect(b"250")


def by_bdat(session, count):
    for _ in range(count):
        session.socket.sendall(ENVELOPE + b"BDAT %d LAST\r\n" % len(BODY) + BODY)
        for code in (b"250", b"250", b"250"):
            session.expect(code)


def by_bdat_after_rcpt(session, count):
    """The body waits for RCPT's answer: a refused recipient costs neither an intent nor 20 kB."""
    for _ in range(count):
        session.socket.sendall(ENVELOPE)
        session.expect(b"250"), session.expect(b"250")
        session.socket.sendall(b"BDAT %d LAST\r\n" % len(BODY) + BODY)
        session.expect(b"250")


def by_bdat_acknowledged(session, count):
    """The same, and the kernel is asked to acknowledge at once: the server's last answer may wait for that (Nagle)."""
    for _ in range(count):
        session.socket.sendall(ENVELOPE + b"BDAT %d LAST\r\n" % len(BODY) + BODY)
        for code in (b"250", b"250", b"250"):
            session.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            session.expect(code)


WAYS = {
    "DATA, pipelined behind the message before": by_data,
    "BDAT LAST with MAIL and RCPT": by_bdat,
    "the same, acknowledged at once (TCP_QUICKACK)": by_bdat_acknowledged,
    "BDAT LAST after the answer to RCPT": by_bdat_after_rcpt,
}


def measured(port, turns, count, rounds):
    """Milliseconds and round trips a message of each way, alternating; medians."""
    times, trips = {way: [] for way in WAYS}, {}
    for _ in range(rounds):
        for way, send in WAYS.items():
            session = Session(port)
            send(session, 5)
            before, start = turns.count if turns else 0, time.perf_counter()
            send(session, count)
            times[way].append((time.perf_counter() - start) / count * 1000)
            trips[way] = (turns.count - before) / count if turns else None
            session.close()
    return {way: (statistics.median(times[way]), min(times[way]), max(times[way]), trips[way]) for way in WAYS}


def main():
    count, rounds, write = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    # In memory: the queue's fsync is no part of the protocol.
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        postfix = Postfix(folder / "postfix", free_port(), True)
        with (postfix.config / "main.cf").open("a") as config:
            config.write("default_transport = discard:\nsmtpd_client_message_rate_limit = 0\n")
        postfix.start()
        try:
            turns = Turns()
            slow = proxy(postfix.port, turns)
            loopback = measured(postfix.port, None, count, rounds)
            distant = measured(slow, turns, max(20, count // 5), rounds)
        finally:
            postfix.stop()
    version = subprocess.run(["/usr/sbin/postconf", "-h", "mail_version"], capture_output=True, text=True).stdout.strip()
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    lines = [
        f"{datetime.date.today()}, commit {commit}; {machine()}; Postfix {version}, one connection, {len(BODY)} octets a message, median of {rounds} alternating rounds (least to most).",
        "",
        "| way | loopback, ms a message | 20 ms each way, ms a message | round trips a message |",
        "|---|---|---|---|",
    ]
    for way in WAYS:
        near, far = loopback[way], distant[way]
        lines.append(f"| {way} | {near[0]:.2f} ({near[1]:.2f} to {near[2]:.2f}) | {far[0]:.1f} ({far[1]:.1f} to {far[2]:.1f}) | {far[3]:.2f} |")
    table = "\n".join(lines)
    print(table)
    if write != "-":
        replace(write, "bdat", table)


if __name__ == "__main__":
    main()
