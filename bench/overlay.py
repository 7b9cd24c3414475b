"""Measures the reports of a long run of which much was told afterwards; see overlay.sh."""

import datetime
import hashlib
import json
import pathlib
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time

from contacts import measured, write_list
from send import built, depeche_project, machine, replace

# Of a hundred recipients: what is told of them, in order. The others are not heard of.
TOLD = {"delivered": 90, "bounced_hard": 2, "deferred": 3, "complained": 1}


def free_port():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


def tell(journal, now):
    """One event each, and of every tenth an earlier one that does not count. Returns how many."""
    base = sqlite3.connect(journal)
    rows = base.execute("SELECT d.id, d.address, a.id FROM delivery d JOIN attempt a ON a.delivery = d.id WHERE a.state = 'accepted' ORDER BY d.id").fetchall()
    kinds = [kind for kind, count in TOLD.items() for _ in range(count)]
    events = []
    for number, (delivery, address, attempt) in enumerate(rows):
        earlier = ["deferred"] if number % 10 == 0 else []
        for kind in earlier + kinds[number % 100 : number % 100 + 1]:
            identity = hashlib.sha256(f"{attempt} {kind} {len(events)}".encode()).digest()
            reason = "550 5.1.1 user unknown" if kind == "bounced_hard" else None
            events.append((identity, "sink", kind, now, now + len(events), address, reason, delivery, attempt))
    with base:
        base.executemany("INSERT INTO event (identity, source, kind, at, seen_at, recipient, reason, delivery, attempt) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", events)
    base.close()
    return len(events)


def main():
    write, recipients, sink = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    binary, port = built(), free_port()
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    process = subprocess.Popen([sink, "-c", "-u", "nobody", f"127.0.0.1:{port}", "1024"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            time.sleep(0.5)
            depeche_project(folder, port)
            (folder / "release.md").write_text("---\ntitle: \"L’usine rouvre\"\nlang: fr\ncity: Grenoble\n---\nBonjour {{ contact.first_name }},\n\nL’usine rouvre.\n", encoding="utf-8")
            write_list(folder / "list.csv", recipients)
            here = [binary, "-C", str(folder)]
            sent, _ = measured([*here, "send", "release.md", "--to", "list.csv", "--confirm", str(recipients), "--quiet"])
            events = tell(folder / ".depeche" / "journal.db", time.time_ns() // 1000)
            commands = {
                "status --json": ["status", "--json"],
                "report --json": ["report", "--json"],
                "report --csv --html": ["report", "--csv", "report.csv", "--html", "report.html", "--json"],
                "report --call-sheet": ["report", "--call-sheet", "--html", "call-sheet.html", "--json"],
                "provider outage": ["provider", "outage", "sink", "--from", "23h", "--reason", "the data centre burns", "--json"],
                "report --call-sheet, with the outage": ["report", "--call-sheet", "--html", "call-sheet.html", "--json"],
                "report --csv --html, with the outage": ["report", "--csv", "report.csv", "--html", "report.html", "--json"],
            }
            lines = [f"{datetime.date.today()}, commit {commit}; {machine()}.", f"{recipients} recipients, sent in {sent:.0f} s, {events} events.", "", "| command | seconds | largest memory, MiB | microseconds a recipient |", "|---|---|---|---|"]
            for verb, words in commands.items():
                spent, memory = measured([*here, *words])
                lines.append(f"| `{verb}` | {spent:.2f} | {memory:.0f} | {spent / recipients * 1e6:.1f} |")
            told = subprocess.run([*here, "report", "--json"], capture_output=True, text=True, check=True)
            after = json.loads(told.stdout)["after"]
            # By hand: 2 of a hundred bounced; at risk are the accepted ones of whom no delivery, bounce or complaint is told.
            assert after["events"]["bounced_hard"] == recipients // 50, after
            assert after["events"]["delivered"] == recipients * 9 // 10, after
    finally:
        process.kill()
        process.wait()
    table = "\n".join(lines)
    print(table)
    if write != "-":
        replace(write, "overlay", table)


if __name__ == "__main__":
    main()
