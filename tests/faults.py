"""Kills and starves the real binary at every write, fsync and send of a five-recipient run.

After each fault the run is resumed without one. The criterion is the receiving side's: nobody twice,
nobody forgotten, told accepted implies on the wire, on the wire implies accepted or unknown.
"""

import collections
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from aiosmtpd.controller import Controller
from foreign_smtp import Recorder, free_port

CONTACTS = 5
# SQLite writes with pwrite64 and syncs with fdatasync or fsync; the wire is sendto or writev.
KILLS = ["pwrite64", "fdatasync", "fsync", "sendto", "writev", "write"]
FAILS = [("pwrite64", "ENOSPC"), ("pwrite64", "EIO"), ("fdatasync", "EIO"), ("fsync", "EIO")]

CONFIG = """[from]
name = "Service de presse Exemple"
address = "presse@exemple.fr"
[press_contact]
name = "Jeanne Martin"
address = "presse@exemple.fr"
[unsubscribe]
mailto = "presse+stop@exemple.fr"
[[provider]]
name = "sink"
kind = "smtp"
host = "127.0.0.1"
port = {port}
tls = "none"
limits = {{ connections = 1 }}
[fallback]
require_authenticated = false
"""


class Project:
    def __init__(self, binary, port):
        self.binary = binary
        self.folder = pathlib.Path(tempfile.mkdtemp())
        (self.folder / "depeche.toml").write_text(CONFIG.format(port=port))
        rows = "".join(f"j{n}@journal.example,Zoé\n" for n in range(CONTACTS))
        (self.folder / "contacts.csv").write_text("email,first_name\n" + rows, encoding="utf-8")
        (self.folder / "release.md").write_text('---\ntitle: "Essai de panne"\nlang: fr\ncity: Lyon\n---\nBonjour {{ contact.first_name }}\n', encoding="utf-8")

    def run(self, words, strace=()):
        command = [*strace, self.binary, "-C", str(self.folder), "--lang", "en", *words, "--json"]
        return subprocess.run(command, capture_output=True, text=True, timeout=120)

    def send(self, strace=()):
        return self.run(["send", "release.md", "--to", "contacts.csv", "--confirm", str(CONTACTS)], strace)

    def close(self):
        shutil.rmtree(self.folder)


def finish(project):
    """Resumes; when the fault left no run behind, sends anew. Returns the run's document."""
    runs = json.loads(project.run(["runs"]).stdout)["runs"]
    done = project.run(["resume"]) if runs else project.send()
    document = json.loads(done.stdout)
    assert "totals" in document, (done.returncode, document, done.stderr)
    return document


def judge(what, recorder, document):
    copies = collections.Counter(to[0] for to, _ in recorder.messages)
    assert all(count == 1 for count in copies.values()), f"{what}: doubled: {copies}"
    totals = document["totals"]
    assert totals["recipients"] == CONTACTS and totals["pending"] == 0, f"{what}: {totals}"
    for one in document["recipients"]:
        taken = copies[one["address"]]
        if one["state"] == "accepted":
            assert taken == 1, f"{what}: told accepted and not taken: {one}"
        else:
            assert one["state"] == "unknown", f"{what}: {one}"
    assert totals["unknown"] <= 1, f"{what}: one connection, one kill: {totals}"
    return totals["unknown"]


def count(project, calls):
    log = project.folder / "trace"
    project.send(["strace", "-f", "-qq", "-c", "-o", str(log), "-e", "trace=" + ",".join(calls)])
    found = {}
    for line in log.read_text().splitlines():
        parts = line.split()
        if parts and parts[-1] in calls:
            found[parts[-1]] = int(parts[3])
    return found


def main():
    binary = str(pathlib.Path(sys.argv[1]).resolve())
    quick = "--quick" in sys.argv
    recorder = Recorder()
    port = free_port()
    controller = Controller(recorder, hostname="127.0.0.1", port=port)
    controller.start()
    runs = unknown = 0
    try:
        project = Project(binary, port)
        numbers = count(project, sorted(set(KILLS) | {call for call, _ in FAILS}))
        project.close()
        plans = [(call, f"signal=KILL:when={k}") for call in KILLS for k in range(1, numbers.get(call, 0) + 1)]
        plans += [(call, f"error={error}:when={k}+") for call, error in FAILS for k in range(1, numbers.get(call, 0) + 1)]
        if quick:
            # Every seventh, from another start on each kind: about two dozen runs.
            plans = plans[3 :: max(1, len(plans) // 24)]
        for call, fault in plans:
            recorder.messages.clear()
            project = Project(binary, port)
            what = f"{call} {fault}"
            project.send(["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:{fault}"])
            unknown += judge(what, recorder, finish(project))
            project.close()
            runs += 1
    finally:
        controller.stop()
    assert runs > 0
    calls = ", ".join(f"{name} {number}" for name, number in sorted(numbers.items()))
    print(f"faults: {runs} runs killed or starved ({calls}), 0 doubled, 0 forgotten, {unknown} uncertain")


if __name__ == "__main__":
    main()
