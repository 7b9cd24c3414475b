"""The same faults for depeche and for the peers that fall back: what the journalists would have seen.

A hundred recipients, a primary that fails in one way, a spare that is well. Both servers are asyncio
programs of this file and record every message whose final dot they saw and took. A peer has no
journal: after a kill it is started again with those it had not told accepted, which is the best its
user can do. The figures are the receiving side's.
"""

import asyncio
import collections
import json
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time

RECIPIENTS = 100
AT = 40
TIMEOUT_S = 2
# A sender that needs longer than this for a hundred messages is stopped, and that is said.
PATIENCE_S = 420
ADDRESSES = [f"j{n:03}@journal.example" for n in range(RECIPIENTS)]
BAD = ADDRESSES[AT]
BEGIN, END = "<!-- peers -->\n", "<!-- /peers -->\n"


class Relay:
    """An SMTP server on loopback that fails as its fault says from the AT-th message on."""

    def __init__(self, fault=None):
        self.fault, self.taken, self.offered = fault, [], []
        self.begun, self.dead, self.since = 0, False, None
        self.loop = asyncio.new_event_loop()
        started = threading.Event()
        threading.Thread(target=self._serve, args=(started,), daemon=True).start()
        started.wait()

    def _serve(self, started):
        asyncio.set_event_loop(self.loop)
        self.connections = set()
        self.server = self.loop.run_until_complete(asyncio.start_server(self._client, "127.0.0.1", 0, backlog=256))
        self.port = self.server.sockets[0].getsockname()[1]
        if self.fault == "dead at the start":
            self.server.close()
        started.set()
        self.loop.run_forever()

    def _die(self):
        self.dead = True
        self.server.close()
        for writer in list(self.connections):
            writer.transport.abort()

    async def _client(self, reader, writer):
        self.connections.add(writer)
        try:
            await self._dialogue(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.connections.discard(writer)
            writer.close()

    async def _dialogue(self, reader, writer):
        def say(text):
            writer.write(text.encode() + b"\r\n")

        say("220 relay.example ready")
        to = None
        while line := await reader.readline():
            verb = line[:4].upper()
            if verb == b"EHLO":
                say("250 relay.example")
            elif verb == b"MAIL":
                if self._fails_at_mail():
                    if self.fault == "dies at the 40th":
                        self._die()
                        return
                    if self.fault == "throttles from the 40th (421)":
                        say("421 4.7.0 too many messages")
                        await writer.drain()
                        return
                    if self.fault == "flaps: drops every 7th message":
                        writer.transport.abort()
                        return
                say("250 2.1.0 fine")
            elif verb == b"RCPT":
                to = line.decode().split("<", 1)[1].split(">", 1)[0]
                self.offered.append(to)
                if self.fault == "refuses one address for good (550 5.1.1)" and to == BAD:
                    say("550 5.1.1 no such user")
                else:
                    say("250 2.1.5 fine")
            elif verb == b"DATA":
                say("354 go on")
                await writer.drain()
                while await reader.readline() not in (b".\r\n", b""):
                    pass
                self.taken.append(to)
                if await self._fails_after_dot(writer):
                    return
                say("250 2.0.0 taken")
            elif verb == b"QUIT":
                say("221 2.0.0 bye")
                return
            else:
                say("250 fine")
            await writer.drain()

    def _fails_at_mail(self):
        self.begun += 1
        if self.fault == "flaps: drops every 7th message":
            return self.begun % 7 == 0
        return self.begun >= AT

    async def _fails_after_dot(self, writer):
        if self.fault == "takes the 40th, its answer is lost" and len(self.taken) == AT:
            writer.transport.abort()
            return True
        if self.fault == "silent after the dot from the 40th" and len(self.taken) >= AT:
            await asyncio.sleep(3600)
        if (self.fault or "").startswith("the sender is killed") and len(self.taken) == AT:
            await asyncio.sleep(1)
        if self.fault == "answers the 40th late, after the time-out" and len(self.taken) == AT:
            await asyncio.sleep(TIMEOUT_S * 2)
        return False

    def stop(self):
        self.loop.call_soon_threadsafe(self._die)


FAULTS = [
    "dead at the start",
    "dies at the 40th",
    "throttles from the 40th (421)",
    "flaps: drops every 7th message",
    "refuses one address for good (550 5.1.1)",
    "takes the 40th, its answer is lost",
    "answers the 40th late, after the time-out",
    "silent after the dot from the 40th",
    "the sender is killed while the 40th is on its way, and started again",
]


class Peer:
    """A sender that reads addresses and tells one line of each."""

    def __init__(self, name, command):
        self.name, self.command = name, command

    def send(self, primary, spare, kill_when):
        told = self._once(ADDRESSES, primary, spare, kill_when)
        if kill_when:
            rest = [address for address in ADDRESSES if told.get(address) != "accepted"]
            told |= self._once(rest, primary, spare, None)
        return told

    def _once(self, addresses, primary, spare, kill_when):
        command = [*self.command, str(primary.port), str(spare.port), str(TIMEOUT_S)]
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        child.stdin.write("".join(f"{address}\n" for address in addresses))
        child.stdin.close()
        if kill_when:
            wait_and_kill(child, kill_when)
        patience = threading.Timer(PATIENCE_S, child.kill)
        patience.start()
        told = {}
        for line in child.stdout:
            state, _, address = line.strip().partition(" ")
            told[address] = state
        child.wait()
        patience.cancel()
        return told


class Depeche:
    name = "depeche"

    def __init__(self, binary):
        self.binary = binary

    def send(self, primary, spare, kill_when):
        with tempfile.TemporaryDirectory() as folder:
            write_project(pathlib.Path(folder), primary, spare)
            base = [self.binary, "-C", folder, "--lang", "en", "--json"]
            first = [*base, "send", "release.md", "--to", "contacts.csv", "--confirm", str(RECIPIENTS)]
            child = subprocess.Popen(first, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            if kill_when:
                wait_and_kill(child, kill_when)
                child.communicate()
                child = subprocess.Popen([*base, "resume"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            document = json.loads(child.communicate()[0])
            return {one["address"]: one["state"] for one in document["recipients"]}


def wait_and_kill(child, when):
    deadline = time.monotonic() + 60
    while not when() and child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.001)
    assert child.poll() is None, "it ended before it was to be killed"
    child.send_signal(signal.SIGKILL)


def write_project(folder, primary, spare):
    provider = """[[provider]]
name = "{name}"
kind = "smtp"
host = "127.0.0.1"
port = {port}
tls = "none"
limits = {{ connections = 1 }}
timeouts = {{ connect = "{s}s", command = "{s}s", data_block = "{s}s", data_end = "{s}s" }}
"""
    (folder / "depeche.toml").write_text(
        '[from]\nname = "Presse"\naddress = "presse@exemple.fr"\n[press_contact]\nname = "Jeanne"\naddress = "presse@exemple.fr"\n'
        '[unsubscribe]\nmailto = "presse+stop@exemple.fr"\n'
        + provider.format(name="primary", port=primary.port, s=TIMEOUT_S)
        + provider.format(name="spare", port=spare.port, s=TIMEOUT_S)
        + f'[fallback]\nrequire_authenticated = false\nsuspect_after = "1s"\n',
        encoding="utf-8",
    )
    (folder / "contacts.csv").write_text("email\n" + "".join(f"{a}\n" for a in ADDRESSES), encoding="utf-8")
    (folder / "release.md").write_text('---\ntitle: "Essai"\nlang: fr\ncity: Lyon\n---\nBonjour\n', encoding="utf-8")


def judge(told, primary, spare, fault):
    copies = collections.Counter(primary.taken + spare.taken)
    assert set(copies) <= set(ADDRESSES)
    expected = [a for a in ADDRESSES if not (fault.startswith("refuses") and a == BAD)]
    return {
        "doubled": sum(copies[a] > 1 for a in ADDRESSES),
        # Nobody has it, and the tool says so or says nothing: in the end somebody must act.
        "without": sum(copies[a] == 0 for a in expected),
        "lied_accepted": sum(told.get(a) == "accepted" and copies[a] == 0 for a in ADDRESSES),
        # They have it and the tool says it failed: who believes it sends a second one.
        "lied_failed": sum(told.get(a) in ("failed", "refused") and copies[a] > 0 for a in ADDRESSES),
        "uncertain": sum(told.get(a) in ("unknown", "held") for a in ADDRESSES),
        "untold": sum(a not in told for a in ADDRESSES),
        "bad_offered_again": (primary.offered + spare.offered).count(BAD) > 1 if fault.startswith("refuses") else False,
    }


def words(figures):
    said = []
    if figures["doubled"]:
        said.append(f"**{figures['doubled']} got it twice**")
    if figures["lied_failed"]:
        said.append(f"{figures['lied_failed']} told failed that have it")
    if figures["lied_accepted"]:
        said.append(f"**{figures['lied_accepted']} told accepted that lack it**")
    if figures["without"]:
        said.append(f"{figures['without']} without it")
    if figures["untold"]:
        said.append(f"stopped after {PATIENCE_S} s with {figures['untold']} to go")
    if figures["uncertain"]:
        said.append(f"{figures['uncertain']} named as uncertain")
    if figures["bad_offered_again"]:
        said.append("bad address offered to the spare too")
    return ", ".join(said) or "each once"


def try_one(sender, fault):
    kills = fault.startswith("the sender is killed")
    primary, spare = Relay(fault), Relay()
    try:
        told = sender.send(primary, spare, (lambda: len(primary.taken) >= AT) if kills else None)
        return judge(told, primary, spare, fault)
    finally:
        primary.stop()
        spare.stop()


def main():
    home, binary = pathlib.Path(sys.argv[1]).resolve(), str(pathlib.Path(sys.argv[2]).resolve())
    here = pathlib.Path(__file__).resolve().parent / "peers"
    senders = [
        Depeche(binary),
        Peer("Symfony Mailer failover", ["php", str(here / "symfony.php")]),
        Peer("Upyo pool", ["node", str(home / "upyo.mjs")]),
        Peer("polymail fallback", [str(home / "polymail" / "debug" / "polymail-peer")]),
    ]
    rows = []
    for fault in FAULTS:
        found = {sender.name: try_one(sender, fault) for sender in senders}
        ours = found["depeche"]
        assert not (ours["doubled"] or ours["lied_accepted"] or ours["lied_failed"] or ours["bad_offered_again"]), (fault, ours)
        assert not ours["untold"] and ours["without"] <= ours["uncertain"] <= 1, (fault, ours)
        rows.append([fault, *(words(found[sender.name]) for sender in senders)])
        print(" | ".join(rows[-1]), flush=True)
    head = ["the primary, or the sender", *(sender.name for sender in senders)]
    table = [head, ["---"] * len(head), *rows]
    text = "".join("| " + " | ".join(row) + " |\n" for row in table)
    if "--write" in sys.argv:
        path = pathlib.Path(sys.argv[sys.argv.index("--write") + 1])
        page = path.read_text(encoding="utf-8")
        before, _, rest = page.partition(BEGIN)
        _, _, after = rest.partition(END)
        path.write_text(before + BEGIN + sys.argv[sys.argv.index("--write") + 2] + "\n\n" + text + END + after, encoding="utf-8")
    print(f"peers: {len(FAULTS)} faults, depeche: 0 doubled, 0 forgotten")


if __name__ == "__main__":
    main()
