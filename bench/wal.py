"""What a journal on PostgreSQL takes: write-ahead log and commits for each message, disk for each delivery, and how
long a list takes to be frozen, over TLS and without. Started by bench/wal.sh, which starts the server. Octets of
log are the distance between two positions (pg_current_wal_lsn), commits are counted in the log itself
(pg_waldump): reads write none."""

import datetime
import os
import pathlib
import re
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests"))
import fleet  # noqa: E402
from send import machine, replace  # noqa: E402

MESSAGES = int(os.environ.get("MESSAGES", "5000"))
WORKERS = int(os.environ.get("WORKERS", "2"))
CONNECTIONS = int(os.environ.get("CONNECTIONS", "4"))
SIZES = [int(size) for size in os.environ.get("SIZES", "20000 100000").split()]


def position(office):
    return fleet.psql("SELECT pg_current_wal_lsn()", office.url)


def octets(office, begin, end):
    return int(fleet.psql(f"SELECT '{end}'::pg_lsn - '{begin}'::pg_lsn", office.url))


def commits(begin, end):
    words = [os.environ["DEPECHE_PGBIN"] + "/pg_waldump", "-p", os.environ["DEPECHE_PGDATA"] + "/pg_wal", "-s", begin, "-e", end, "-r", "Transaction", "--stats=record"]
    told = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    return int(re.search(r"^Transaction/COMMIT\s+(\d+)", told, re.MULTILINE).group(1))


def frozen(size, mode):
    """Seconds of `send --enqueue` in all."""
    through = lambda base, name: base.rsplit("/", 1)[0] + f"/{name}?sslmode={mode}"
    office = fleet.Office(fleet.Receiver(), through=through)
    began = time.time()
    office.enqueue(size)
    took = time.time() - began
    office.close()
    return took


def sent():
    """Octets of log to freeze one and to send one, commits for a message, octets on the disk for a delivery."""
    receiver = fleet.Receiver()
    office = fleet.Office(receiver)
    config = office.folder / "depeche.toml"
    config.write_text(config.read_text().replace("connections = 2", f"connections = {CONNECTIONS}").replace('lease = "3s"', 'lease = "30s"'))
    fleet.psql("CHECKPOINT", office.url)
    empty = position(office)
    run = office.enqueue(MESSAGES)
    begin = position(office)
    for _ in range(WORKERS):
        office.work()
    end = time.time() + 600
    while len(receiver.seen) < MESSAGES and time.time() < end:
        time.sleep(0.05)
    office.over(run, seconds=60)
    end = position(office)
    size = fleet.psql("SELECT SUM(pg_total_relation_size(oid)) FROM pg_class WHERE relname IN ('delivery', 'attempt')", office.url)
    told = octets(office, empty, begin), octets(office, begin, end), commits(begin, end), int(size)
    office.close()
    assert len(receiver.copies()) == len(receiver.seen) == MESSAGES
    return [one / MESSAGES for one in told]


if __name__ == "__main__":
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    kind = pathlib.Path(fleet.DEPECHE).resolve().parent.name
    freeze, send, shared, disk = sent()
    lines = [
        f"{datetime.date.today()}, commit {commit}, {kind} build; {machine()}, load {os.getloadavg()[0]:.1f} at the end of the sending.",
        f"{MESSAGES} recipients, {WORKERS} workers of {CONNECTIONS} connections, no checkpoint in between (after one, each page is logged whole once).",
        "",
        "| | a recipient |",
        "|---|---|",
        f"| write-ahead log to freeze one | {freeze / 1000:.1f} kB |",
        f"| write-ahead log to send one | {send / 1000:.1f} kB |",
        f"| commits to send one | {shared:.2f} |",
        f"| on the disk: a delivery, its attempt, their indexes, not vacuumed yet | {disk / 1000:.1f} kB |",
        "",
        "| recipients enqueued | connection | seconds in all | recipients a second |",
        "|---|---|---|---|",
    ]
    for size in SIZES:
        for name, mode in (("TLS", "require"), ("clear text", "disable")):
            took = frozen(size, mode)
            lines.append(f"| {size} | {name} | {took:.1f} | {size / took:.0f} |")
    print("\n".join(lines))
    if len(sys.argv) > 1 and sys.argv[1] != "-":
        replace(sys.argv[1], "wal", "\n".join(lines))
