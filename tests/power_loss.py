"""Takes the power away at every system call of a five-recipient run, and resumes from what the disk kept.

The real binary runs once under strace. Its writes are replayed into a model of a disk that owes nothing
that was not synced: a file's bytes are kept from its last fsync on, a name in a folder from the folder's
last fsync on (POSIX promises no more). At every prefix of the log the disk may have

  lost   everything since the last fsync,
  kept   everything,
  torn   any part of it: sectors of 512 bytes, names and truncations chosen by a seed, in any order,
         the last write half done.

The real binary then resumes from each of these disks. A message is on the wire from the system call on
that hands over its terminator. The criterion is the receiving side's: nobody twice, nobody forgotten,
told accepted implies on the wire, on the wire implies accepted or unknown.

Assumed, as by SQLite (its "powersafe overwrite"): a write does not change bytes outside its range.
"""

import collections
import concurrent.futures
import hashlib
import pathlib
import random
import re
import sys
import threading

from aiosmtpd.controller import Controller
from faults import CONTACTS, Project, finish
from foreign_smtp import Recorder, free_port

SECTOR = 512
STATE = ".depeche"
CALLS = "pwrite64,write,pwritev,pwritev2,writev,fsync,fdatasync,ftruncate,fallocate,unlink,unlinkat,openat,rename,renameat,renameat2,mkdir,mkdirat,sendto,sendmsg"
LINE = re.compile(r"^(\d+)\s+(?:<\.\.\. )?(\w+)(\(| resumed>)(.*)$")
TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
PATH = re.compile(r"^\d+<((?:\\x[0-9a-f]{2})*|[^>]*)>")


def raw(hexed):
    return bytes.fromhex(hexed.replace("\\x", ""))


def described(argument):
    """The path behind the first descriptor of a call."""
    found = PATH.match(argument)
    if not found:
        return ""
    text = found.group(1)
    return raw(text).decode() if text.startswith("\\x") else text


class Log:
    """What the run did, in order: operations on files under the project's folder, and messages."""

    def __init__(self, trace, folder):
        self.folder = str(folder)
        self.operations = []
        self.wire = bytearray()
        self.recipient = None
        self.in_body = False
        self.begun = {}
        for line in trace.read_text(encoding="ascii").splitlines():
            self.read(line)

    def read(self, line):
        found = LINE.match(line)
        if not found:
            return
        thread, call, how, rest = found.groups()
        if how == "(" and rest.endswith("<unfinished ...>"):
            self.begun[thread] = rest
            # A write may have happened as soon as it began; a sync is done when it returns.
            if call not in ("fsync", "fdatasync", "openat", "mkdir"):
                self.operate(call, rest)
            return
        result = rest.rsplit("=", 1)[-1].strip()
        if how != "(":
            arguments = self.begun.pop(thread, "")
            if call in ("fsync", "fdatasync", "openat", "mkdir") and not result.startswith("-"):
                self.operate(call, arguments)
        elif not result.startswith("-"):
            self.operate(call, rest)

    def within(self, path):
        """`path` relative to the project's folder, when it lies in it."""
        whole = path if path.startswith("/") else f"{self.folder}/{path.removeprefix('./')}"
        whole = whole.removesuffix("(deleted)").rstrip("/")
        if whole == self.folder:
            return ""
        return whole[len(self.folder) + 1 :] if whole.startswith(self.folder + "/") else None

    def operate(self, call, arguments):
        texts = [raw(text) for text in TEXT.findall(arguments)]
        if call in ("sendto", "sendmsg", "writev", "write") and "socket:" in described(arguments):
            for text in texts:
                self.say(text)
            return
        if call in ("rename", "renameat", "renameat2"):
            old, new = (self.within(text.decode()) for text in texts[:2])
            if old is not None and new is not None:
                self.operations.append(("rename", old, new))
            return
        if call in ("openat", "mkdir", "unlink"):
            path = self.within(texts[0].decode()) if texts else None
            if path is None or path.endswith("-shm"):
                return
            if call == "openat" and "O_CREAT" in arguments:
                self.operations.append(("create", path))
            elif call != "openat":
                self.operations.append((call, path))
            return
        path = described(arguments)
        path = self.within(path) if path.startswith("/") else None
        if path is None or path.endswith("-shm"):
            return
        numbers = re.findall(r", (\d+)(?=[,) ])", TEXT.sub('""', arguments) + " ")
        if call == "pwrite64":
            self.operations.append(("write", path, int(numbers[-1]), texts[0]))
        elif call == "write":
            self.operations.append(("append", path, texts[0]))
        elif call == "ftruncate":
            self.operations.append(("truncate", path, int(numbers[-1])))
        elif call in ("fsync", "fdatasync"):
            self.operations.append(("sync", path))
        else:
            raise AssertionError(f"the model of the disk does not know {call} on {path}")

    def say(self, data):
        """Bytes to the server. The terminator of a message puts its recipient on the wire."""
        self.wire += data
        while b"\r\n" in self.wire:
            line, _, rest = bytes(self.wire).partition(b"\r\n")
            self.wire = bytearray(rest)
            if self.in_body:
                if line == b".":
                    self.in_body = False
                    self.operations.append(("wire", self.recipient))
            elif line.upper().startswith(b"RCPT TO:"):
                self.recipient = line.split(b"<")[1].split(b">")[0].decode()
            elif line.upper() == b"DATA":
                self.in_body = True


class File:
    def __init__(self, content=b""):
        self.durable = content
        self.now = bytearray(content)
        self.pending = []

    def put(self, offset, data):
        self.now[len(self.now) : offset] = bytes(max(0, offset - len(self.now)))
        self.now[offset : offset + len(data)] = data
        self.pending.append((offset, data))

    def cut(self, size):
        del self.now[size:]
        self.now += bytes(size - len(self.now))
        self.pending.append((size, None))

    def sync(self):
        self.durable = bytes(self.now)
        self.pending.clear()

    def torn(self, dice):
        """What is on the disk when only a part of what is pending got there."""
        content = bytearray(self.durable)
        keep = dice.choice([0.1, 0.5, 0.9])
        pieces = []
        for number, (offset, data) in enumerate(self.pending):
            if data is None:
                pieces.append((offset, None))
                continue
            if number + 1 == len(self.pending):
                data = data[: len(data) // 2]
            begin = offset
            while begin < offset + len(data):
                end = min(offset + len(data), (begin // SECTOR + 1) * SECTOR)
                pieces.append((begin, data[begin - offset : end - offset]))
                begin = end
        # Writes to one sector keep their order: a disk holds one of its states, not a mixture.
        for offset, data in pieces:
            if dice.random() > keep:
                continue
            if data is None:
                del content[offset:]
                content += bytes(max(0, offset - len(content)))
            else:
                content[len(content) : offset] = bytes(max(0, offset - len(content)))
                content[offset : offset + len(data)] = data
        if len(self.now) > len(content) and dice.random() < 0.3:
            # The size was logged and the data were not.
            content += bytes(len(self.now) - len(content))
        return bytes(content)


class Disk:
    """Folders and files under one project, with what is durable of them."""

    def __init__(self, files=None):
        found = {path: File(content) for path, content in (files or {}).items()}
        self.durable_names = dict(found)
        for path in list(found):
            for folder in pathlib.PurePath(path).parents:
                if str(folder) != ".":
                    self.durable_names[str(folder)] = None
        self.names = dict(self.durable_names)
        self.pending_names = []
        self.wire = []

    def apply(self, operation):
        kind, path, *rest = operation
        if kind == "wire":
            self.wire.append(path)
        elif kind in ("create", "mkdir"):
            if path not in self.names:
                self.name(path, File() if kind == "create" else None)
        elif kind == "unlink":
            self.name(path, "gone")
        elif kind == "rename":
            self.name(path, "gone", to=rest[0])
        elif kind == "write":
            self.names[path].put(*rest)
        elif kind == "append":
            self.names[path].put(len(self.names[path].now), *rest)
        elif kind == "truncate":
            self.names[path].cut(*rest)
        elif kind == "sync" and path in self.names and self.names[path] is not None:
            self.names[path].sync()
        elif kind == "sync":
            of_this = [one for one in self.pending_names if str(pathlib.PurePath(one[0][0]).parent) == (path or ".")]
            for one in of_this:
                self.pending_names.remove(one)
                enter_all(self.durable_names, one)

    def name(self, path, what, to=None):
        """A name that comes or goes; with `to`, both at once: rename(2) is atomic within one folder."""
        step = [(path, what)] if to is None else [(to, self.names[path]), (path, what)]
        enter_all(self.names, step)
        self.pending_names.append(step)

    def left(self, variant, seed):
        """The files that are found when the power is back."""
        if variant == "kept":
            return {path: bytes(file.now) for path, file in reachable(self.names)}
        names = dict(self.durable_names)
        if variant == "lost":
            return {path: file.durable for path, file in reachable(names)}
        dice = random.Random(seed)
        for one in self.pending_names:
            if dice.random() < 0.7:
                enter_all(names, one)
        return {path: file.torn(dice) for path, file in reachable(names)}


def enter(names, path, what):
    if what == "gone":
        names.pop(path, None)
    else:
        names[path] = what


def enter_all(names, step):
    for path, what in step:
        enter(names, path, what)


def reachable(names):
    """The files whose folders have names."""
    def is_there(path):
        return all(str(folder) in names for folder in pathlib.PurePath(path).parents if str(folder) != ".")

    return [(path, file) for path, file in names.items() if file is not None and is_there(path)]


def states(log, begin, seed, torn):
    """Every different disk after every prefix: (what, files, recipients on the wire)."""
    seen = set()
    disk = Disk(begin)
    for number, operation in enumerate([None, *log.operations]):
        if operation:
            disk.apply(operation)
        variants = ["lost", "kept"] + [f"torn {n}" for n in range(torn)]
        for variant in variants:
            files = disk.left(variant, f"{seed}/{number}/{variant}")
            digest = hashlib.sha256(repr((sorted(files.items()), disk.wire)).encode()).digest()
            if digest not in seen:
                seen.add(digest)
                yield f"call {number} of {len(log.operations)}, {variant}, seed {seed}", files, list(disk.wire)


class Sink:
    def __init__(self):
        self.recorder = Recorder()
        self.port = free_port()
        self.controller = Controller(self.recorder, hostname="127.0.0.1", port=self.port)
        self.controller.start()


def record(binary, sink, words, files):
    """One run under strace, from `files` on. Returns its log."""
    project = Project(binary, sink.port)
    lay(project.folder, files)
    trace = project.folder / "trace"
    sink.recorder.messages.clear()
    project.run(words, ["strace", "-f", "-qq", "-y", "-xx", "-s", "1048576", "-o", str(trace), "-e", f"trace={CALLS}"])
    log = Log(trace, project.folder)
    told = collections.Counter(operation[1] for operation in log.operations if operation[0] == "wire")
    took = collections.Counter(to[0] for to, _ in sink.recorder.messages)
    assert told == took, f"the log and the server disagree: {told} {took}"
    project.close()
    return log


def lay(folder, files):
    for path, content in files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        place.chmod(0o600)


def replay(binary, sink, state):
    """Resumes from one disk and judges. Returns how many are uncertain."""
    what, files, wire = state
    sink.recorder.messages.clear()
    project = Project(binary, sink.port)
    lay(project.folder, files)
    try:
        document = finish(project)
    except Exception as error:
        raise AssertionError(f"{what}: it cannot be resumed: {error!r}") from error
    project.close()
    copies = collections.Counter(wire) + collections.Counter(to[0] for to, _ in sink.recorder.messages)
    assert all(count == 1 for count in copies.values()), f"{what}: doubled: {copies}"
    totals = document["totals"]
    assert totals["recipients"] == CONTACTS and totals["pending"] == 0, f"{what}: forgotten: {totals}"
    assert len({one["address"] for one in document["recipients"]}) == CONTACTS, f"{what}: {document}"
    for one in document["recipients"]:
        assert one["state"] in ("accepted", "unknown"), f"{what}: {one}"
        assert one["state"] == "unknown" or copies[one["address"]] == 1, f"{what}: told accepted and not taken: {one}"
    return totals["unknown"]


def half_way(log, seed):
    """What a power loss leaves after the second message, its outcome not yet durable."""
    disk = Disk()
    for operation in log.operations:
        disk.apply(operation)
        if len(disk.wire) == 2:
            return disk.left("lost", seed), disk.wire
    raise AssertionError("the run sent fewer than two messages")


def main():
    binary = str(pathlib.Path(sys.argv[1]).resolve())
    quick = "--quick" in sys.argv
    seed = next((int(word.removeprefix("--seed=")) for word in sys.argv if word.startswith("--seed=")), random.randrange(1 << 32))
    print(f"power loss: seed {seed} (again with --seed={seed})", flush=True)
    sinks = [Sink() for _ in range(2)]
    torn = 1 if quick else 3
    first = record(binary, sinks[0], ["send", "release.md", "--to", "contacts.csv", "--confirm", str(CONTACTS)], {})
    everything = list(states(first, {}, seed, torn))
    # The second power loss hits the run that mends the first.
    files, wire = half_way(first, seed)
    second = record(binary, sinks[0], ["resume"], files)
    everything += [(f"resumed, {what}", found, wire + more) for what, found, more in states(second, files, seed, torn)]
    chosen = everything
    if quick:
        dice = random.Random(seed)
        chosen = dice.sample(everything, min(250, len(everything)))
    free, local = list(sinks), threading.local()

    def one(state):
        if not hasattr(local, "sink"):
            local.sink = free.pop()
        return replay(binary, local.sink, state)

    try:
        with concurrent.futures.ThreadPoolExecutor(len(sinks)) as pool:
            unknown = [*pool.map(one, chosen)]
    finally:
        for sink in sinks:
            sink.controller.stop()
    syncs = sum(operation[0] == "sync" for log in (first, second) for operation in log.operations)
    calls = len(first.operations) + len(second.operations)
    print(
        f"power loss: {len(chosen)} of {len(everything)} different disks ({calls} calls, {syncs} of them syncs), "
        f"0 doubled, 0 forgotten, {sum(unknown)} uncertain, {max(unknown)} at most in one run"
    )


if __name__ == "__main__":
    main()
