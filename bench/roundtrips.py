"""Counts round trips a message through a slow line; see roundtrips.sh.

A round trip is counted by the line itself: the sender speaks again after the server did. The clock says what
it costs, and on a busy machine also what the machine does beside it.
"""

import asyncio
import datetime
import pathlib
import subprocess
import sys
import tempfile
import threading

from send import built, depeche, depeche_project, free_port, machine, replace, sink

ONE_WAY = 0.020
FEW, MANY = 20, 120
MODULES = pathlib.Path(__file__).resolve().parent.parent / "target" / "bench" / "node_modules"


class Turns:
    """How often the sender spoke after the server had."""

    def __init__(self):
        self.count, self.server_spoke = 0, False

    def heard(self, is_server):
        if not is_server and self.server_spoke:
            self.count += 1
        self.server_spoke = is_server


async def carry(reader, writer, heard):
    """Hands on what came, each piece ONE_WAY later, in order and without holding back the next."""
    loop, queue = asyncio.get_running_loop(), asyncio.Queue()

    async def take():
        while True:
            data = await reader.read(65536)
            if data:
                heard()
            await queue.put((loop.time() + ONE_WAY, data))
            if not data:
                return

    taking = asyncio.create_task(take())
    while True:
        due, data = await queue.get()
        await asyncio.sleep(max(0, due - loop.time()))
        if not data:
            break
        writer.write(data)
        await writer.drain()
    await taking
    writer.close()


def proxy(target, turns):
    """A slow line to a port of this machine; returns its own port."""
    port, ready = free_port(), threading.Event()

    async def accept(reader, writer):
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", target)
        await asyncio.gather(carry(reader, far_writer, lambda: turns.heard(False)), carry(far_reader, writer, lambda: turns.heard(True)), return_exceptions=True)

    async def serve():
        server = await asyncio.start_server(accept, "127.0.0.1", port)
        ready.set()
        await server.serve_forever()

    threading.Thread(target=lambda: asyncio.run(serve()), daemon=True).start()
    ready.wait()
    return port


def main():
    binary = built()
    process, far = sink()
    try:
        turns = Turns()
        port = proxy(far, turns)
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            depeche_project(folder, port, connections=1)
            (folder / "release.md").write_text("---\ntitle: \"L’usine rouvre\"\nlang: fr\ncity: Grenoble\n---\nBonjour {{ contact.first_name }},\n\nL’usine rouvre.\n", encoding="utf-8")

            def ours(count):
                rows = "".join(f"j{n}@journal.example,Zoé{n}\n" for n in range(count))
                (folder / "contacts.csv").write_text("email,first_name\n" + rows, encoding="utf-8")
                return depeche(binary, folder, count)

            def one_by_one(count):
                config = folder / "depeche.toml"
                before = config.read_text(encoding="utf-8")
                config.write_text(before.replace('tls = "none"', 'tls = "none"\npipeline_next = false'), encoding="utf-8")
                spent = ours(count)
                config.write_text(before, encoding="utf-8")
                return spent

            def canned(count):
                command = ["smtp-source", "-d", "-s", "1", "-m", str(count), "-l", "4000", "-f", "presse@exemple.fr", "-t", "j@journal.example", f"127.0.0.1:{port}"]
                start = datetime.datetime.now()
                subprocess.run(command, check=True, capture_output=True)
                return (datetime.datetime.now() - start).total_seconds()

            def pool(count):
                rows = "".join(f"j{n}@journal.example,Zoé{n}\n" for n in range(count))
                (folder / "list.csv").write_text("email,first_name\n" + rows, encoding="utf-8")
                (folder / "page.html").write_text("<p>Bonjour {{name}},</p><p>L’usine rouvre.</p>" * 20, encoding="utf-8")
                script = pathlib.Path(__file__).parent / "peers" / "nodemailer.js"
                words = ["node", script, MODULES, str(port), "1", folder / "list.csv", folder / "page.html"]
                return float(subprocess.run(words, check=True, capture_output=True, text=True).stdout)

            def counted(run, count):
                before = turns.count
                return run(count), turns.count - before

            # The difference leaves out start, connection and farewell.
            found = []
            for who, run in (("depeche", ours), ("depeche, `pipeline_next = false`", one_by_one), ("nodemailer pool", pool), ("smtp-source", canned)):
                (few, few_turns), (many, many_turns) = counted(run, FEW), counted(run, MANY)
                found.append((who, (many - few) / (MANY - FEW), (many_turns - few_turns) / (MANY - FEW)))
    finally:
        process.kill()
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    lines = [
        f"{datetime.date.today()}, commit {commit}; {machine()}; one connection, 20 ms each way, PIPELINING offered.",
        "",
        "| sender | round trips a message | ms a message | depeche is so many times as fast |",
        "|---|---|---|---|",
    ]
    own = found[0][1]
    lines += [f"| {who} | {trips:.2f} | {spent * 1000:.0f} | {spent / own:.2f} |" for who, spent, trips in found]
    table = "\n".join(lines)
    print(table)
    if len(sys.argv) > 1:
        replace(sys.argv[1], "roundtrips", table)


if __name__ == "__main__":
    main()
