"""A mail server that takes so many messages and then fails: `refuses` closes every connection and takes no
new one, `silent` takes connections and never says another word. It notes when it took whom.

python failing_smtp.py PORT TAKES refuses|silent NOTES
"""

import asyncio
import sys
import time

port, takes, mode, notes = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
taken, has_failed, open_writers, server = 0, False, set(), None


def fail():
    global has_failed
    has_failed = True
    with open(notes, "a", encoding="utf-8") as file:
        file.write(f"{time.time()} failed\n")
    if mode == "refuses":
        server.close()
        for writer in open_writers:
            writer.transport.abort()


async def serve(reader, writer):
    global taken
    open_writers.add(writer)
    say = lambda line: writer.write(line.encode() + b"\r\n")
    rcpt, text = "", None
    if not has_failed:
        say("220 mx.example ESMTP")
    try:
        while line := await reader.readline():
            if text is not None:
                if line != b".\r\n":
                    continue
                text = None
                taken += 1
                with open(notes, "a", encoding="utf-8") as file:
                    file.write(f"{time.time()} {rcpt}\n")
                say("250 2.0.0 taken")
                continue
            if taken >= takes and not has_failed:
                fail()
            if has_failed:
                continue
            verb = line[:4].upper()
            if verb == b"EHLO":
                say("250-mx.example")
                say("250 PIPELINING")
            elif verb == b"RCPT":
                rcpt = line.decode().split("<")[1].split(">")[0]
                say("250 2.1.5 ok")
            elif verb == b"DATA":
                text = True
                say("354 go on")
            elif verb == b"QUIT":
                say("221 2.0.0 bye")
                break
            else:
                say("250 2.0.0 ok")
    except (ConnectionError, asyncio.IncompleteReadError):
        pass
    finally:
        open_writers.discard(writer)
        writer.close()


async def main():
    global server
    server = await asyncio.start_server(serve, "127.0.0.1", port)
    print("ready", flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
