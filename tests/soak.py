"""A long run through relays and an API that fail in every way, one message in a hundred each way.

The real binary sends to RECIPIENTS through seven SMTP relays and one Brevo stub; it is resumed while
somebody is pending. The receiving side is the judge: nobody twice, told accepted implies taken, told
refused implies not taken, everyone in one state. Memory (VmRSS) and open files of the process are
sampled ten times a second: memory may not grow from the second fifth of the sending to its last, and
open files stay within what the connections explain.
"""

import asyncio
import collections
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import threading
import time

# What happens to one message in a hundred, each: the phase, and whether the relay took it.
FAULTS = [
    "mail 421 and close", "mail reset", "rcpt 550 5.1.1", "rcpt 450 4.2.1", "data 451", "body reset", "dot reset, taken",
    "dot 221, taken", "dot garbage, taken", "dot over-long line, taken", "dot late, taken", "dot 554 5.7.1", "dot 452 4.3.1",
]
API_FAULTS = ["429", "500 html, taken", "500 html", "reset, taken", "truncated, taken", "302", "400 invalid address", "201 without id, taken"]
LATE_S = 1.0
# Memory and files are looked at so often.
STEP_S = 0.1
RELAYS = 7
# The relays' two each, and the API's four.
CONNECTIONS = RELAYS * 2 + 4
# The three files of the journal for each of its connections, standard streams, the run's lock, the runtime's own.
OWN_FILES = 24


class Served:
    """A server on loopback in a thread of its own, with a random generator of its own."""

    def __init__(self, seed):
        self.random, self.taken = random.Random(seed), []
        self.counts = collections.Counter()
        self.loop = asyncio.new_event_loop()
        started = threading.Event()
        threading.Thread(target=self._serve, args=(started,), daemon=True).start()
        started.wait()

    def _serve(self, started):
        asyncio.set_event_loop(self.loop)
        server = self.loop.run_until_complete(asyncio.start_server(self._client, "127.0.0.1", 0, backlog=256))
        self.port = server.sockets[0].getsockname()[1]
        started.set()
        self.loop.run_forever()

    async def _client(self, reader, writer):
        try:
            await self.dialogue(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def fault(self, kinds):
        """One of `kinds`, each for one message in a hundred."""
        place = int(self.random.random() * 100)
        name = kinds[place] if place < len(kinds) else ""
        if name:
            self.counts[name] += 1
        return name


class Relay(Served):
    async def dialogue(self, reader, writer):
        def say(text):
            writer.write(text.encode() + b"\r\n")

        say("220 relay.example ready")
        to, fault = None, ""
        while line := await reader.readline():
            verb = line[:4].upper()
            if verb == b"EHLO":
                say("250-relay.example\r\n250-PIPELINING\r\n250 ENHANCEDSTATUSCODES")
            elif verb == b"MAIL":
                fault = self.fault(FAULTS)
                if fault == "mail 421 and close":
                    say("421 4.3.2 shutting down")
                    return
                if fault == "mail reset":
                    writer.transport.abort()
                    return
                say("250 2.1.0 fine")
            elif verb == b"RCPT":
                to = line.decode().split("<", 1)[1].split(">", 1)[0]
                said = {"rcpt 550 5.1.1": "550 5.1.1 no such user", "rcpt 450 4.2.1": "450 4.2.1 too fast"}.get(fault)
                to = None if said else to
                say(said or "250 2.1.5 fine")
            elif verb == b"DATA" and to is None:
                say("503 5.5.1 no recipient")
            elif verb == b"DATA" and fault == "data 451":
                say("451 4.3.0 not now")
            elif verb == b"DATA":
                say("354 go on")
                if fault == "body reset":
                    await writer.drain()
                    await reader.readline()
                    writer.transport.abort()
                    return
                while await reader.readline() != b".\r\n":
                    pass
                if not await self._answer(writer, fault, to, say):
                    return
            elif verb == b"QUIT":
                say("221 2.0.0 bye")
                return
            else:
                say("250 2.0.0 fine")
            await writer.drain()

    async def _answer(self, writer, fault, to, say):
        if fault in ("dot 554 5.7.1", "dot 452 4.3.1"):
            say(fault.removeprefix("dot ") + " no")
            return True
        self.taken.append(to)
        if fault == "dot reset, taken":
            writer.transport.abort()
            return False
        if fault == "dot late, taken":
            await asyncio.sleep(LATE_S)
        if fault == "dot 221, taken":
            say("221 2.0.0 bye")
            return False
        if fault == "dot garbage, taken":
            say("\x00\x01 what?")
            return False
        if fault == "dot over-long line, taken":
            say("250 " + "x" * 70_000)
            return False
        say("250 2.0.0 taken")
        return True


class Api(Served):
    """Brevo's POST /smtp/email, one message a request, with its memory of idempotency keys."""

    def __init__(self, seed):
        self.keys = {}
        super().__init__(seed)

    async def dialogue(self, reader, writer):
        while head := await reader.readuntil(b"\r\n\r\n"):
            path = head.split(b" ", 2)[1].decode()
            lengths = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            body = await reader.readexactly(int(lengths[0])) if lengths else b""
            if not path.endswith("/smtp/email"):
                self._say(writer, "404 Not Found", '{"code":"document_not_found","message":"none"}')
            elif not await self._email(writer, json.loads(body)):
                return
            await writer.drain()

    async def _email(self, writer, body):
        to, key = body["to"][0]["email"], body["headers"]["idempotencyKey"]
        if key in self.keys:
            self._say(writer, "400 Bad Request", '{"code":"duplicate_request","message":"Request already processed"}')
            return True
        fault = self.fault(API_FAULTS)
        if fault == "429":
            self._say(writer, "429 Too Many Requests", '{"code":"too_many","message":"slow"}', "x-sib-ratelimit-reset: 1\r\n")
            return True
        if fault == "302":
            self._say(writer, "302 Found", "", "Location: http://127.0.0.1:1/\r\n")
            return True
        if fault == "400 invalid address":
            self._say(writer, "400 Bad Request", '{"code":"invalid_parameter","message":"email is not valid in to"}')
            return True
        if fault == "500 html":
            self._say(writer, "500 Internal Server Error", "<html>oops</html>")
            return True
        self.taken.append(to)
        self.keys[key] = to
        if fault == "reset, taken":
            writer.transport.abort()
            return False
        if fault == "truncated, taken":
            writer.write(b'HTTP/1.1 201 Created\r\nContent-Length: 400\r\n\r\n{"messageId":"<1')
            return False
        if fault == "500 html, taken":
            self._say(writer, "500 Internal Server Error", "<html>oops</html>")
            return True
        answer = "{}" if fault.startswith("201") else json.dumps({"messageId": f"<{len(self.taken)}@relay.example>"})
        self._say(writer, "201 Created", answer)
        return True

    @staticmethod
    def _say(writer, status, body, headers=""):
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
        writer.write(head.encode() + body.encode())


def write_project(folder, recipients, relays, api):
    providers = [
        f'[[provider]]\nname = "relay{n}"\nkind = "smtp"\nhost = "127.0.0.1"\nport = {relay.port}\ntls = "none"\n'
        'limits = { connections = 2 }\ntimeouts = { connect = "5s", command = "5s", data_block = "5s", data_end = "5s" }\n'
        for n, relay in enumerate(relays)
    ]
    brevo = f'[[provider]]\nname = "brevo"\nkind = "brevo"\napi_key = {{ file = "brevo.key" }}\nbase_url = "http://127.0.0.1:{api.port}/v3"\n'
    # Not the last: else it would be asked for a handful of messages only.
    providers.insert(1, brevo)
    key = folder / "brevo.key"
    key.write_text("soak-key")
    key.chmod(0o600)
    (folder / "depeche.toml").write_text(
        '[from]\nname = "Presse"\naddress = "presse@exemple.fr"\n[press_contact]\nname = "Jeanne"\naddress = "presse@exemple.fr"\n'
        '[unsubscribe]\nmailto = "presse+stop@exemple.fr"\n'
        + "".join(providers)
        + '[fallback]\nrequire_authenticated = false\nretry_after = "1s"\n[retry]\ntransient = ["1s", "1s", "1s"]\n',
        encoding="utf-8",
    )
    rows = "".join(f"j{n:06}@journal{n % 500}.example,Zoé {n}\n" for n in range(recipients))
    (folder / "contacts.csv").write_text("email,first_name\n" + rows, encoding="utf-8")
    (folder / "release.md").write_text(
        '---\ntitle: "Essai de longue haleine"\nlang: fr\ncity: Lyon\n---\nBonjour {{ contact.first_name }}\n', encoding="utf-8"
    )


class Samples:
    """Memory and open files of one process, while messages arrive."""

    def __init__(self, child, arrived):
        self.rss, self.files, before = [], [], arrived()
        while child.poll() is None:
            try:
                status = pathlib.Path(f"/proc/{child.pid}/status").read_text()
                rss = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
                files = len(os.listdir(f"/proc/{child.pid}/fd"))
            except (FileNotFoundError, ProcessLookupError, StopIteration):
                break
            # What is read before the first message, and the document written after the last, is no leak.
            if arrived() > before:
                self.rss.append(rss)
                self.files.append(files)
            before = arrived()
            time.sleep(STEP_S)

    def judge(self):
        """Words, after asserting that the last fifth is no higher than what the second fifth reached."""
        if len(self.rss) < 20:
            return None
        fifth = len(self.rss) // 5
        warm, last = max(self.rss[fifth : 2 * fifth]), max(self.rss[-fifth:])
        assert last <= warm * 1.1 + 4096, f"memory grew from {warm} to {last} KiB: {self.rss}"
        # A relay is first called when another fails: its connections explain what comes on top.
        most, allowed = max(self.files), CONNECTIONS + OWN_FILES
        assert most <= allowed, f"{most} open files, and {allowed} can be explained"
        seconds = len(self.rss) * STEP_S
        return f"{seconds:.0f} s: memory {warm // 1024} MiB in the second fifth, {last // 1024} in the last; {most} open files at most"


def main():
    binary, recipients = str(pathlib.Path(sys.argv[1]).resolve()), int(sys.argv[2])
    seed = int(sys.argv[3])
    print(f"soak: {recipients} recipients, seed {seed}", flush=True)
    relays, api = [Relay(seed + n) for n in range(RELAYS)], Api(seed + RELAYS)
    processes, told = 0, []
    with tempfile.TemporaryDirectory() as folder:
        write_project(pathlib.Path(folder), recipients, relays, api)
        words = ["send", "release.md", "--to", "contacts.csv", "--confirm", str(recipients)]
        while True:
            with open(pathlib.Path(folder) / "document.json", "w+", encoding="utf-8") as out:
                child = subprocess.Popen([binary, "-C", folder, "--lang", "en", "--json", *words], stdout=out, stderr=subprocess.DEVNULL)
                told.append(Samples(child, lambda: sum(len(one.taken) for one in [*relays, api])).judge())
                out.seek(0)
                document = json.load(out)
            processes += 1
            assert "totals" in document, document
            if document["totals"]["pending"] == 0:
                break
            assert processes < 200, document["totals"]
            words = ["resume"]
            time.sleep(1)
    copies = collections.Counter(address for one in [*relays, api] for address in one.taken)
    assert all(count == 1 for count in copies.values()), f"doubled: {[a for a, c in copies.items() if c > 1][:5]}"
    assert document["totals"]["recipients"] == recipients == len(document["recipients"])
    for one in document["recipients"]:
        if one["state"] == "accepted":
            assert copies[one["address"]] == 1, f"told accepted and not taken: {one}"
        elif one["state"] == "refused":
            assert copies[one["address"]] == 0, f"told refused and taken: {one}"
        else:
            assert one["state"] == "unknown", one
    longest = [words for words in told if words]
    assert longest, "no process lived long enough to be judged"
    for words in longest:
        print(f"soak: {words}")
    faults = sum((one.counts for one in [*relays, api]), collections.Counter())
    print("soak: faults: " + ", ".join(f"{name} {count}" for name, count in sorted(faults.items())))
    totals = document["totals"]
    print(
        f"soak: {recipients} recipients, {sum(faults.values())} faults of {len(faults)} kinds, {processes} processes: "
        f"{totals['accepted']} accepted, {totals['refused']} refused, {totals['unknown']} uncertain, 0 doubled, 0 forgotten"
    )


if __name__ == "__main__":
    main()
