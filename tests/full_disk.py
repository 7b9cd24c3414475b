"""Fills the disk under the journal of the real binary, in the middle of a run, and frees it again.

The receiving side is the judge: nobody twice, nobody forgotten, and whoever has the message is accepted
or uncertain in the journal.
"""

import collections
import json
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

from aiosmtpd.controller import Controller
from foreign_smtp import Recorder, free_port

CONTACTS = 60
CONNECTIONS = 2
KILOBYTES = 8_192

CONFIG = """[from]
name = "Service de presse Exemple"
address = "presse@exemple.fr"
[press_contact]
name = "Jeanne Martin"
address = "presse@exemple.fr"
[unsubscribe]
mailto = "presse+stop@exemple.fr"
[journal]
url = "sqlite:{disk}/journal.db"
[[provider]]
name = "sink"
kind = "smtp"
host = "127.0.0.1"
port = {port}
tls = "none"
limits = {{ connections = {connections} }}
[fallback]
require_authenticated = false
"""


class Filling(Recorder):
    """Fills the disk when it has taken so many messages; it is slow, so that a run lasts."""

    def __init__(self, disk, after):
        super().__init__()
        self.disk, self.after, self.lock = disk, after, threading.Lock()

    async def handle_DATA(self, server, session, envelope):
        answer = await super().handle_DATA(server, session, envelope)
        if self.after is not None and len(self.messages) >= self.after:
            fill(self.disk)
        return answer


def fill(disk):
    """Takes every byte that is left; what was there before keeps its place."""
    with open(disk / "ballast", "ab", buffering=0) as ballast:
        size = 65_536
        while size:
            try:
                if ballast.write(b"\0" * size) < size:
                    raise OSError("short")
            except OSError:
                size //= 2


def run(binary, folder, words):
    command = [binary, "-C", str(folder), "--lang", "en", *words, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode in (0, 1, 4, 6), (words, done.returncode, done.stdout[-2000:], done.stderr[-2000:])
    return done


def judge(recorder, document, what):
    copies = collections.Counter(to[0] for to, _ in recorder.messages)
    assert all(count == 1 for count in copies.values()), f"{what}: doubled: {copies}"
    states = {one["address"]: one["state"] for one in document["recipients"]}
    assert len(states) == CONTACTS, f"{what}: {document['totals']}"
    for address in copies:
        assert states[address] in ("accepted", "unknown"), f"{what}: {address} has it and is {states[address]}"
    for address, state in states.items():
        assert state != "accepted" or copies[address] == 1, f"{what}: {address} is told accepted"
    return copies


def one(binary, after, mounted):
    """One run whose disk is full after so many messages; 0: full before it begins."""
    disk = pathlib.Path(tempfile.mkdtemp())
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={KILOBYTES}k", "tmpfs", str(disk)], check=True)
    mounted.append(disk)
    folder = pathlib.Path(tempfile.mkdtemp())
    recorder, port = Filling(disk, after or None), free_port()
    controller = Controller(recorder, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        (folder / "depeche.toml").write_text(CONFIG.format(disk=disk, port=port, connections=CONNECTIONS))
        rows = "".join(f"j{n}@journal.example,Zoé\n" for n in range(CONTACTS))
        (folder / "contacts.csv").write_text("email,first_name\n" + rows, encoding="utf-8")
        (folder / "release.md").write_text('---\ntitle: "Essai"\nlang: fr\ncity: Lyon\n---\nBonjour {{ contact.first_name }}\n', encoding="utf-8")
        send = ["send", "release.md", "--to", "contacts.csv", "--confirm", str(CONTACTS)]
        if not after:
            fill(disk)
            done = run(binary, folder, send)
            assert done.returncode == 1 and not recorder.messages, (done.stdout, done.stderr)
            assert "full" in done.stdout or "journal" in done.stdout, done.stdout
            (disk / "ballast").unlink()
            document = json.loads(run(binary, folder, send).stdout)
            judge(recorder, document, "after a start on a full disk")
            assert document["totals"]["accepted"] == CONTACTS, document["totals"]
            return 0
        done = run(binary, folder, send)
        sent = len(recorder.messages)
        assert sent < CONTACTS, "the disk was never full: the test proves nothing"
        assert done.returncode in (1, 6), (done.returncode, done.stderr)
        assert "journal" in done.stderr and "full" in done.stderr, done.stderr
        assert "depeche resume" in done.stderr, done.stderr
        recorder.after = None
        (disk / "ballast").unlink()
        time.sleep(0.2)
        document = json.loads(run(binary, folder, ["resume"]).stdout)
        copies = judge(recorder, document, f"full after {after}")
        totals = document["totals"]
        assert totals["pending"] == 0 and totals["accepted"] + totals["unknown"] == CONTACTS, totals
        assert totals["unknown"] <= CONNECTIONS, totals
        assert len(copies) >= totals["accepted"], totals
        return totals["unknown"]
    finally:
        controller.stop()


def main():
    binary = str(pathlib.Path(sys.argv[1]).resolve())
    mounted, unknown = [], 0
    moments = [0, 1, 7, 23, 41]
    try:
        for after in moments:
            unknown += one(binary, after, mounted)
    finally:
        for disk in mounted:
            subprocess.run(["umount", str(disk)], check=False)
    print(f"full disk: {len(moments)} runs of {CONTACTS}, a real file system full before the start or in the middle: 0 doubled, 0 forgotten, {unknown} uncertain")


if __name__ == "__main__":
    main()
