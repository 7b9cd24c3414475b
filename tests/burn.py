"""Burns the machine at the k-th message of a 100-recipient run; a second one goes on from the mirror.

The process is killed and its folder deleted, in the middle of the k-th message (before its answer, for
odd k) or between two (at the next RCPT, for even k). The second machine has depeche.toml, the key and the
mirror. The criterion is the receiving side's: nobody twice, nobody forgotten, told accepted implies on the
wire; uncertain are at most those in flight, one for each connection.
"""

import collections
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

from aiosmtpd.controller import Controller
from foreign_smtp import free_port

CONTACTS = 100
CONNECTIONS = 2
KEY = "a key of this test, drawn by nobody at random"

CONFIG = """[from]
name = "Service de presse Exemple"
address = "presse@exemple.fr"
[press_contact]
name = "Jeanne Martin"
address = "presse@exemple.fr"
[unsubscribe]
mailto = "presse+stop@exemple.fr"
[journal.mirror]
mode = "sync"
key = {{ file = "mirror.key" }}
{mirror}
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


class Burner:
    """Takes messages; at the k-th it sets fire to whatever sends them."""

    def __init__(self):
        self.copies = collections.Counter()
        self.at = None
        self.fire = None

    def arm(self, k, fire):
        self.copies.clear()
        self.at, self.fire = k, fire

    def burn(self):
        fire, self.fire = self.fire, None
        if fire:
            fire()

    async def handle_RCPT(self, server, session, envelope, address, options):
        if self.at and self.at % 2 == 0 and sum(self.copies.values()) >= self.at:
            self.burn()
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server, session, envelope):
        self.copies[envelope.rcpt_tos[0].lower()] += 1
        if self.at and self.at % 2 == 1 and sum(self.copies.values()) >= self.at:
            self.burn()
        return "250 2.0.0 taken"


class Machine:
    def __init__(self, binary, port, mirror):
        self.binary = binary
        self.folder = pathlib.Path(tempfile.mkdtemp())
        config = CONFIG.format(port=port, mirror=mirror, connections=CONNECTIONS)
        (self.folder / "depeche.toml").write_text(config)
        (self.folder / "mirror.key").write_text(KEY)
        for name in ("mirror.key", "depeche.toml"):
            (self.folder / name).chmod(0o600)

    def command(self, words):
        return [self.binary, "-C", str(self.folder), "--lang", "en", *words, "--json"]

    def run(self, words):
        done = subprocess.run(self.command(words), capture_output=True, text=True, timeout=300)
        assert done.stdout, (words, done.returncode, done.stderr)
        return done.returncode, json.loads(done.stdout)

    def start(self):
        rows = "".join(f"j{n}@journal.example,Zoé\n" for n in range(CONTACTS))
        (self.folder / "contacts.csv").write_text("email,first_name\n" + rows, encoding="utf-8")
        (self.folder / "release.md").write_text('---\ntitle: "Essai de feu"\nlang: fr\ncity: Lyon\n---\nBonjour {{ contact.first_name }}\n', encoding="utf-8")
        words = ["send", "release.md", "--to", "contacts.csv", "--confirm", str(CONTACTS)]
        return subprocess.Popen(self.command(words), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def delete(self):
        shutil.rmtree(self.folder, ignore_errors=True)


def burn(binary, burner, port, mirror, k):
    """One fire. Returns how many are uncertain."""
    what = f"{mirror.splitlines()[0]}, killed at {k}"
    first = Machine(binary, port, mirror)
    process = first.start()
    burner.arm(k, lambda: os.kill(process.pid, signal.SIGKILL))
    _, said = process.communicate(timeout=300)
    assert process.returncode == -signal.SIGKILL, f"{what}: it was not killed: {process.returncode} {said}"
    first.delete()
    time.sleep(0.05)
    burner.at = None
    second = Machine(binary, port, mirror)
    code, taken = second.run(["take-over"])
    assert "error" not in taken and len(taken["runs"]) == 1, f"{what}: {code} {taken}"
    code, document = second.run(["resume"])
    second.delete()
    totals = document["totals"]
    doubled = {to: count for to, count in burner.copies.items() if count > 1}
    assert not doubled, f"{what}: doubled: {doubled}"
    assert totals["recipients"] == CONTACTS and totals["accepted"] + totals["unknown"] == CONTACTS, f"{what}: forgotten: {totals}"
    for one in document["recipients"]:
        assert one["state"] == "unknown" or burner.copies[one["address"]] == 1, f"{what}: {one}"
    assert totals["unknown"] <= CONNECTIONS, f"{what}: more uncertain than were in flight: {totals}"
    assert code == (6 if totals["unknown"] else 0), f"{what}: exit {code}"
    return totals["unknown"]


def store(port):
    """An object store that nobody here wrote, with a bucket."""
    command = [str(pathlib.Path(sys.executable).with_name("moto_server")), "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(300):
        try:
            request = urllib.request.Request(f"http://127.0.0.1:{port}/presse", method="PUT")
            urllib.request.urlopen(request, timeout=5).close()
            return process
        except OSError:
            time.sleep(0.2)
    raise AssertionError("the object store does not answer")


def main():
    binary = str(pathlib.Path(sys.argv[1]).resolve())
    numbers = range(1, CONTACTS) if "--quick" not in sys.argv else (1, 2, 35, 64, 99)
    burner, port, store_port = Burner(), free_port(), free_port()
    controller = Controller(burner, hostname="127.0.0.1", port=port)
    controller.start()
    objects = store(store_port)
    folder = pathlib.Path(tempfile.mkdtemp())
    s3 = f'endpoint = "http://127.0.0.1:{store_port}"\nregion = "fr-par"\naccess_key = {{ env = "BURN_ACCESS" }}\nsecret_key = {{ env = "BURN_SECRET" }}'
    os.environ.update(BURN_ACCESS="depeche", BURN_SECRET="a secret of this test")
    found = collections.Counter()
    try:
        for k in numbers:
            (folder / str(k)).mkdir()
            found["folder"] += burn(binary, burner, port, f'target = "file:{folder / str(k)}"', k)
            found["store"] += burn(binary, burner, port, f'target = "s3://presse/{k}"\n{s3}', k)
            shutil.rmtree(folder / str(k))
    finally:
        controller.stop()
        objects.terminate()
        objects.wait()
        shutil.rmtree(folder, ignore_errors=True)
    fires = 2 * len(numbers)
    print(f"burn: {fires} machines of {CONTACTS} recipients and {CONNECTIONS} connections burnt, half with a folder and half with an object store as mirror: 0 doubled, 0 forgotten, uncertain {found['folder']} and {found['store']}")


if __name__ == "__main__":
    main()
