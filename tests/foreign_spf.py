"""pyspf (PyPI) and depeche evaluate the same 500 generated records over the same zone; a difference that
docs/spf-agreement.md does not judge is a failure. The records are made from a fixed seed: every run sees the same.

    foreign_spf.py DEPECHE [RECORDS SEED]        another seed looks for what is not judged yet
"""

import concurrent.futures
import json
import pathlib
import random
import re
import subprocess
import sys

import spf as pyspf
from dns_server import Server, quoted

RECORDS = 500
SEED = 7208
JUDGED = pathlib.Path(__file__).parent.parent / "docs" / "spf-agreement.md"
HOST = "192.0.2.{}"


class Maker:
    """Records that are mostly right, with the slips that people make."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.slips = 0
        self.zone = {
            "a1.t.example": {"A": ["192.0.2.1"], "AAAA": ["2001:db8::1"]},
            "a2.t.example": {"A": ["192.0.2.2", "198.51.100.2"]},
            "m1.t.example": {"MX": ["10 a1.t.example.", "20 a2.t.example."]},
            "m2.t.example": {"MX": [f"{n} h{n}.t.example." for n in range(12)]},
            "null.t.example": {"MX": ["0 ."]},
            "alias.t.example": {"CNAME": ["a1.t.example."]},
            "x.t.example": {"TXT": ['"no record here"']},
            "why.t.example": {"TXT": ['"%{i} is not one of %{d}"']},
            "1.2.0.192.in-addr.arpa": {"PTR": ["a1.t.example."]},
            "3.2.0.192.in-addr.arpa": {"PTR": ["forged.t.example."]},
            "press.mailbox.t.example": {"A": ["127.0.0.2"]},
            "1.0.192.in-addr.x.t.example": {"A": ["127.0.0.2"]},
            **{f"h{n}.t.example": {"A": [HOST.format(100 + n)]} for n in range(12)},
        }
        self.good = ["v=spf1 ip4:192.0.2.0/24 -all", "v=spf1 a:a1.t.example ~all", "v=spf1 -all", "v=spf1 ?all",
                     "v=spf1 ip4:198.51.100.0/24", "v=spf1 include:i0.t.example ip4:192.0.2.3 -all",
                     "v=spf1 redirect=i0.t.example", "v=spf1 foo:bar -all", "v=spf1 exists:%{i}.x.t.example -all"]
        for number, text in enumerate(self.good):
            self.zone[f"i{number}.t.example"] = {"TXT": [quoted(text.encode())]}

    def name(self):
        names = ["a1", "a2", "m1", "m2", "null", "alias", "x", "nowhere", "h3", "%{l}.mailbox"]
        return self.random.choice(names) + self.random.choice([".t.example"] * 9 + [".T.Example", ".t.example."])

    def macro(self):
        good = ["%{i}.x.t.example", "%{l}.mailbox.t.example", "%{ir}.x.t.example", "%{s}.t.example", "%{d2}", "%{h}",
                "%{l1r-}.mailbox.t.example", "%%.t.example", "%{v}.t.example", "%{o}.t.example", "%{D1R}.t.example"]
        return self.random.choice(good + ["%{q}.t.example", "%{d0}.t.example", "%.t.example"] * self.slips)

    def cidr(self):
        return self.random.choice([""] * 4 + ["/24", "/32", "/0", "//64", "/24//64"] + ["/33", "//129", "/024", "/"] * self.slips)

    def term(self):
        pick = self.random.random()
        qualifier = self.random.choice(["", "", "", "", "+", "-", "~", "?"])
        if pick < 0.25:
            good = ["192.0.2.1", "192.0.2.0", "198.51.100.2", "10.0.0.1"]
            address = self.random.choice(good + ["192.0.2", "192.0.2.256", "192.0.2.01"] * self.slips)
            return qualifier + f"ip4:{address}" + self.random.choice([""] * 3 + ["/24", "/32", "/8"] + ["/33", "/"] * self.slips)
        if pick < 0.33:
            address = self.random.choice(["2001:db8::1", "2001:db8::", "::1"] + ["2001:db8", "xyz"] * self.slips)
            return qualifier + f"ip6:{address}" + self.random.choice(["", "/32", "/128"] + ["/129"] * self.slips)
        if pick < 0.53:
            kind = self.random.choice(["a", "mx"])
            return qualifier + kind + self.random.choice(["", f":{self.name()}", f":{self.name()}"]) + self.cidr()
        if pick < 0.73:
            return qualifier + f"include:i{self.random.choice([0, 1, 2, 3, 4, 5, 6, 8, 8, 1] + [7, 9] * self.slips)}.t.example"
        if pick < 0.80:
            return qualifier + f"exists:{self.random.choice([self.macro(), self.name()])}"
        if pick < 0.84:
            return qualifier + self.random.choice(["ptr", f"ptr:{self.name()}", "ptr:t.example"])
        if pick < 0.90:
            value = self.random.choice(["i1.t.example", "why.t.example", self.macro()] + [""] * self.slips)
            return self.random.choice(["redirect=", "exp=", "unknown=", "exp="]) + value
        if not self.slips:
            return qualifier + self.random.choice(["A", "IP4:192.0.2.1", "INCLUDE:i0.t.example", "MX:M1.t.example"])
        slips = ["incldue:i0.t.example", "ipv4:192.0.2.1", "a:", "include", "all:x", "ip4", "mx:/24", "-", "a a", "=x", "1x=y", "include:x.t.example", "include:alias.t.example"]
        return qualifier + self.random.choice(slips)

    def record(self):
        # One record in four holds a slip or more; one in forty is no SPF record at all.
        self.slips = int(self.random.random() < 0.25)
        if self.random.random() < 0.025:
            return self.random.choice(["v=spf10 -all", "spf2.0/pra -all", "v=spf1x", "hello"])
        terms = [self.term() for _ in range(self.random.choice([0, 1, 1, 2, 2, 3, 3, 4, 6, 12]))]
        end = self.random.choice(["-all", "~all", "?all", "all", "", "ALL", "-all x", "redirect=i2.t.example"])
        space = self.random.choice([" "] * 8 + ["  "])
        return space.join(part for part in ["v=spf1", *terms, end] if part)

    def cases(self, records):
        for number in range(records):
            domain = f"r{number}.t.example"
            self.zone[domain] = {"TXT": [quoted(self.record().encode())], "A": ["192.0.2.9"]}
            ip = self.random.choice([HOST.format(self.random.choice([1, 2, 3, 9, 103])), "198.51.100.2", "203.0.113.7", "2001:db8::1"])
            yield domain, ip, f"press@{domain}", "helo.t.example"


def theirs(zone, case):
    """pyspf's result, over the zone itself; its own resolver is for the system's name servers only."""

    def look_up(name, kind, strict=True, timeout=None):
        at, chain = name.rstrip(".").lower(), []
        if any(len(label) > 63 for label in at.split(".")):
            return []
        for _ in range(10):
            here = zone.get(at, {})
            if kind in here or "CNAME" not in here:
                break
            chain.append(((at, "CNAME"), here["CNAME"][0].rstrip(".")))
            at = here["CNAME"][0].rstrip(".").lower()
        found = []
        for text in zone.get(at, {}).get(kind, []):
            if kind == "MX":
                preference, host = text.split()
                value = (int(preference), host.rstrip("."))
            elif kind == "TXT":
                strings = re.findall(r'"([^"]*)"', text)
                value = tuple(re.sub(r"\\(\d{3})", lambda m: chr(int(m[1])), part).encode() for part in strings)
            else:
                value = text.rstrip(".")
            found.append(((at, kind), value))
        return chain + found

    pyspf.DNSLookup = look_up
    _, ip, sender, helo = case
    return pyspf.check2(i=ip, s=sender, h=helo, timeout=20)[0]


def ours(binary, server, case):
    _, ip, sender, helo = case
    address = f"{server.address[0]}:{server.address[1]}"
    words = [binary, "domain", "spf", "--ip", ip, "--mail-from", sender, "--helo", helo, "--nameserver", address, "--json"]
    return json.loads(subprocess.run(words, capture_output=True, check=True).stdout)


def main():
    binary, records, seed = sys.argv[1], *(map(int, sys.argv[2:]) if sys.argv[2:] else (RECORDS, SEED))
    maker = Maker(seed)
    cases = list(maker.cases(records))
    server = Server(maker.zone)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        mine = list(pool.map(lambda case: ours(binary, server, case), cases))
    assert server.broken is None, server.broken
    judged = JUDGED.read_text(encoding="utf-8") if JUDGED.exists() else ""
    agree, known, new, seen = 0, [], [], {}
    for case, verdict in zip(cases, mine):
        other = theirs(maker.zone, case)
        seen[verdict["result"]] = seen.get(verdict["result"], 0) + 1
        if verdict["result"] == other:
            agree += 1
            continue
        record = " ".join(maker.zone[case[0]]["TXT"])
        line = f"| `{record}` | {case[1]} | {verdict['result']} | {other} |"
        (known if line in judged else new).append(line)
    for line in new:
        print(line)
    shown = ", ".join(f"{count} {result}" for result, count in sorted(seen.items()))
    print(f"pyspf: {agree} of {records} records end the same ({shown}); {len(known)} differences judged, {len(new)} not")
    # A generator that makes only one kind of record would prove nothing.
    assert len(seen) >= 6 and min(seen.values()) >= 5, seen
    return 1 if new else 0


if __name__ == "__main__":
    sys.exit(main())
