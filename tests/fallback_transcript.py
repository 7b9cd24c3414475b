"""A release goes to 100 journalists; the first server dies at 40, and depeche itself is killed at 70.

Two mail servers that nobody here wrote (aiosmtpd) run as processes of their own. What they took is
counted at the end: that, and not what depeche says, is the criterion.
"""

import collections
import json
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

CONTACTS = 100
DIES_AT = 40
KILLED_AT = 70

SERVER = """
import sys, time
from aiosmtpd.controller import Controller

class Taker:
    async def handle_DATA(self, server, session, envelope):
        with open(sys.argv[2], "a") as taken:
            taken.write(envelope.rcpt_tos[0] + "\\n")
        return "250 2.0.0 taken"

controller = Controller(Taker(), hostname="127.0.0.1", port=int(sys.argv[1]))
controller.start()
print("ready", flush=True)
time.sleep(3600)
"""

CONFIG = """[organisation]
name = "Exemple SAS"
[from]
name = "Service de presse Exemple"
address = "presse@exemple.fr"
[press_contact]
name = "Jeanne Martin"
address = "presse@exemple.fr"
phone = "+33 1 23 45 67 89"
[unsubscribe]
mailto = "presse+stop@exemple.fr"
[[provider]]
name = "ovh"
kind = "smtp"
host = "127.0.0.1"
port = {first}
tls = "none"
limits = {{ connections = 2 }}
[[provider]]
name = "spare"
kind = "smtp"
host = "127.0.0.1"
port = {second}
tls = "none"
limits = {{ connections = 2 }}
[fallback]
require_authenticated = false
"""

RELEASE = """---
title: "L’usine de Grenoble rouvre : 120 emplois"
lang: fr
slug: usine-grenoble
city: Grenoble
---
Bonjour {{ contact.first_name }},

Rendez-vous [sur place](https://exemple.fr/usine).
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(port, taken):
    taken.touch()
    server = subprocess.Popen([sys.executable, "-c", SERVER, str(port), str(taken)], stdout=subprocess.PIPE, text=True)
    assert server.stdout.readline().strip() == "ready"
    return server


def lines(path):
    return path.read_text().splitlines()


def when(condition, what):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.001)


def steady(text, ports):
    for name, port in ports.items():
        text = text.replace(str(port), f"<{name}>")
    return text.rstrip()


def main():
    binary, page = str(pathlib.Path(sys.argv[1]).resolve()), pathlib.Path(sys.argv[2])
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        ports = {"first": free_port(), "second": free_port()}
        first, second = folder / "first.taken", folder / "second.taken"
        servers = [start(ports["first"], first), start(ports["second"], second)]
        (folder / "depeche.toml").write_text(CONFIG.format(**ports))
        (folder / "release.md").write_text(RELEASE, encoding="utf-8")
        rows = [f"j{n}@journal.example,Zoé,Le Progrès,+33 1 00 00 00 {n:02}" for n in range(CONTACTS)]
        (folder / "contacts.csv").write_text("email,first_name,outlet,phone\n" + "\n".join(rows) + "\n", encoding="utf-8")

        def depeche(*words):
            return subprocess.Popen([binary, "--lang", "en", *words], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

        steps = []
        try:
            words = ["send", "release.md", "--to", "contacts.csv", "--confirm", str(CONTACTS)]
            run = depeche(*words)
            when(lambda: len(lines(first)) >= DIES_AT, "the first server's share")
            servers[0].send_signal(signal.SIGKILL)
            when(lambda: len(lines(first)) + len(lines(second)) >= KILLED_AT, "the second server's share")
            run.send_signal(signal.SIGKILL)
            said = run.communicate()[0]
            steps.append((f"depeche {' '.join(words)}", said, f"the first server is killed at {DIES_AT} messages, depeche itself (kill -9) at {KILLED_AT}"))
            for words in (["status"], ["resume"], ["status"]):
                run = depeche(*words)
                said = run.communicate(timeout=120)[0]
                steps.append((f"depeche {' '.join(words)}", said, f"exit {run.returncode}"))
            document = json.loads(subprocess.run([binary, "status", "--json"], cwd=folder, capture_output=True, text=True).stdout)
        finally:
            for server in servers:
                server.kill()
        taken = collections.Counter(lines(first) + lines(second))
        judge(taken, document)
        write(page, steps, ports, document, (len(lines(first)), len(lines(second)), taken))


def judge(taken, document):
    assert max(taken.values()) == 1, "somebody got it twice"
    totals = document["totals"]
    assert totals["accepted"] + totals["unknown"] == CONTACTS, totals
    unknown = {one["address"] for one in document["recipients"] if one["state"] == "unknown"}
    for one in document["recipients"]:
        if one["state"] == "accepted":
            assert taken[one["address"]] == 1, one
    missing = {f"j{n}@journal.example" for n in range(CONTACTS)} - set(taken)
    assert missing <= unknown, "somebody was forgotten"
    # Two connections at each server, one death each of a server and of depeche.
    assert totals["unknown"] <= 4, totals


def write(page, steps, ports, document, counts):
    first, second, taken = counts
    text = [
        "# A real fallback run\n",
        "Written by `bash tests/fallback-transcript.sh`: 100 journalists, two mail servers that nobody here wrote",
        "(aiosmtpd), two connections each. The first server is killed in the middle of the run, then depeche itself",
        "by `kill -9`; `depeche resume` finishes.\n",
    ]
    for command, said, then in steps:
        said = re.sub(r"\b\d{8}-usine", "YYYYMMDD-usine", steady(said, ports))
        text += ["```", f"$ {command}", said, f"# {then}", "```\n"]
    totals = document["totals"]
    text += [
        f"What the servers took: {first} at the first, {second} at the second, {len(taken)} journalists in all, each once.",
        f"What depeche says: {totals['accepted']} accepted, {totals['unknown']} uncertain, {totals['pending']} pending.",
        "An uncertain recipient is one whose answer was on its way when a process died (RFC 1047): depeche names it and",
        "leaves the decision to a person.",
    ]
    page.write_text("\n".join(text) + "\n", encoding="utf-8")
    print(f"fallback transcript: {len(taken)} journalists once, {totals['unknown']} uncertain; {page}")


main()
