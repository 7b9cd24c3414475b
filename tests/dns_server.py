"""A DNS server on loopback, UDP and TCP, for peers that need a real one (dnspython, PyPI).

Names are lower case without a final dot; a zone is {name: {type: [record text, ...]}}. A name that only has
names below it answers NODATA, any other unknown name NXDOMAIN. Every question is counted; `delay` seconds pass
before each answer. Faults by name, the nearest one above counts: "silent", "wrong-id", "servfail".
"""

import asyncio
import threading
import time

import dns.flags
import dns.message
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset

ANSWER_OCTETS = 1232


class Server:
    def __init__(self, zone, delay=0.0, faults=None, soa=True):
        self.zone, self.delay, self.faults, self.soa = zone, delay, faults or {}, soa
        self.above = {".".join(name.split(".")[n:]) for name in zone for n in range(1, name.count(".") + 1)}
        self.asked = []  # (moment, name, type)
        self.address = None
        self.broken = None
        self._ready = threading.Event()
        threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True).start()
        self._ready.wait()

    async def _serve(self):
        loop = asyncio.get_running_loop()
        tcp = await asyncio.start_server(self._tcp, "127.0.0.1", 0)
        port = tcp.sockets[0].getsockname()[1]
        await loop.create_datagram_endpoint(lambda: _Udp(self), local_addr=("127.0.0.1", port))
        self.address = ("127.0.0.1", port)
        self._ready.set()
        async with tcp:
            await tcp.serve_forever()

    def fault(self, name):
        labels = name.split(".")
        return next((self.faults[at] for n in range(len(labels)) if (at := ".".join(labels[n:])) in self.faults), None)

    async def answer(self, wire):
        """The response as a message, or None for silence."""
        query = dns.message.from_wire(wire)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked.append((time.monotonic(), name, kind))
        await asyncio.sleep(self.delay)
        fault = self.fault(name)
        if fault == "silent":
            return None
        reply = dns.message.make_response(query)
        reply.flags |= dns.flags.RA | dns.flags.AA
        if fault == "wrong-id":
            reply.id ^= 0x5555
        if fault == "servfail":
            reply.set_rcode(dns.rcode.SERVFAIL)
            return reply
        at = name
        for _ in range(20):
            here = self.zone.get(at, {})
            if kind in here or "CNAME" not in here:
                break
            target = here["CNAME"][0]
            reply.answer.append(dns.rrset.from_text(at + ".", 300, "IN", "CNAME", target))
            at = target.rstrip(".").lower()
        if records := self.zone.get(at, {}).get(kind):
            reply.answer.append(dns.rrset.from_text_list(at + ".", 300, "IN", kind, records))
        elif at not in self.zone and at not in self.above:
            reply.set_rcode(dns.rcode.NXDOMAIN)
        return reply

    async def _tcp(self, reader, writer):
        try:
            while True:
                length = int.from_bytes(await reader.readexactly(2))
                if reply := await self.answer(await reader.readexactly(length)):
                    wire = reply.to_wire(max_size=65535)
                    writer.write(len(wire).to_bytes(2) + wire)
                    await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, server):
        self.server = server

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, wire, peer):
        asyncio.ensure_future(self.reply(wire, peer))

    async def reply(self, wire, peer):
        try:
            await self.send(wire, peer)
        except Exception as error:
            # A server that is broken must not pass for one that is silent on purpose.
            self.server.broken = error

    async def send(self, wire, peer):
        if not (reply := await self.server.answer(wire)):
            return
        full = reply.to_wire(max_size=65535)
        if len(full) > ANSWER_OCTETS:
            reply.answer = []
            reply.flags |= dns.flags.TC
            full = reply.to_wire()
        self.transport.sendto(full, peer)


def quoted(octets):
    """A TXT record's text: strings of at most 255 octets."""
    parts = [octets[n : n + 255] for n in range(0, len(octets), 255)] or [b""]
    shown = lambda part: "".join(chr(o) if 32 <= o < 127 and chr(o) not in '"\\' else f"\\{o:03d}" for o in part)
    return " ".join(f'"{shown(part)}"' for part in parts)
