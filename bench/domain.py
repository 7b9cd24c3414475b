"""One domain and 200, checked by depeche and by checkdmarc over the same slow DNS; see domain.sh.

Depth is counted by the server: a question is one deeper than the deepest whose answer had left before it came. Seconds are
those of the whole command; checkdmarc's start with the first question, so that nobody measures Python's imports.
"""

import datetime
import json
import pathlib
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).parent
sys.path += [str(HERE), str(HERE.parent / "tests")]

from dns_server import Server  # noqa: E402
from send import machine, replace  # noqa: E402

DELAY = 0.020
MANY = 200
ROUNDS = 3

CHECKDMARC = """
import sys, dns.resolver, checkdmarc
host, port, *domains = sys.argv[1:]
resolver = dns.resolver.Resolver(configure=False)
resolver.nameservers, resolver.port = [host], int(port)
found = checkdmarc.check_domains(domains, resolver=resolver, skip_tls=True, check_mx_tls=False)
found = found if isinstance(found, list) else [found]
assert len(found) == len(domains)
assert all(one["spf"]["valid"] and one["dmarc"]["valid"] for one in found), found[0]
"""


def zone():
    """Domains in order: SPF through an include, DMARC, MX, name servers, two keys of Brevo's."""
    key = '"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="'
    names = {
        "spf.brevo.com": {"TXT": ['"v=spf1 ip4:1.179.112.0/20 -all"']},
        "mx.ovh.com": {"TXT": ['"v=spf1 ip4:192.0.2.0/24 ?all"']},
        "ns1.example.net": {"A": ["192.0.2.53"]},
        "ns2.example.org": {"A": ["192.0.2.54"]},
        "mx.example.net": {"A": ["192.0.2.25"]},
    }
    for n in range(MANY):
        domain = f"d{n}.example.com"
        names[domain] = {
            "TXT": ['"v=spf1 include:mx.ovh.com ip4:192.0.2.7 -all"'],
            "MX": ["1 mx.example.net."],
            "NS": ["ns1.example.net.", "ns2.example.org."],
            "A": ["192.0.2.80"],
            "SOA": ["ns1.example.net. host.example.net. 1 3600 600 86400 300"],
        }
        names[f"_dmarc.{domain}"] = {"TXT": [f'"v=DMARC1; p=reject; rua=mailto:d@{domain}"']}
        for selector in ("brevo1", "brevo2", "ovhmo-selector-1", "ovhmo-selector-2"):
            names[f"{selector}._domainkey.{domain}"] = {"TXT": [key]}
    return names


def depth(asked):
    """How many round trips lie behind each other."""
    deepest, done = 0, []  # done: (answered, depth), by time
    for moment, _, _ in sorted(asked):
        before = max((level for answered, level in done if answered <= moment), default=0)
        done.append((moment + DELAY, before + 1))
        deepest = max(deepest, before + 1)
    return deepest


def depeche(binary, server, domains):
    host = f"{server.address[0]}:{server.address[1]}"
    words = [binary, "domain", "check", *domains, "--provider", "ovh,brevo", "--nameserver", host, "--json", "-q"]
    began = time.monotonic()
    done = subprocess.run(words, capture_output=True, check=False)
    seconds = time.monotonic() - began
    found = json.loads(done.stdout)["domains"]
    assert len(found) == len(domains) and not any(one["inconclusive"] for one in found), found[0]
    assert all(provider["aligned"] == "yes" for one in found for provider in one["providers"]), found[0]
    return seconds


def checkdmarc(_, server, domains):
    host, port = server.address
    done = subprocess.run([sys.executable, "-c", CHECKDMARC, host, str(port), *domains], capture_output=True, text=True)
    ended = time.monotonic()
    assert done.returncode == 0, done.stderr[-2000:]
    return ended - server.asked[0][0]


def measure(sender, binary, count):
    """Questions, depth, seconds: the medians of some rounds."""
    rounds = []
    for _ in range(ROUNDS):
        server = Server(zone(), delay=DELAY)
        seconds = sender(binary, server, [f"d{n}.example.com" for n in range(count)])
        assert server.broken is None, server.broken
        rounds.append((len(server.asked), depth(server.asked), seconds))
    return [sorted(column)[ROUNDS // 2] for column in zip(*rounds)]


def main():
    binary, document = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    lines = [
        f"{datetime.date.today()}, commit {commit}; {machine()}; {1000 * DELAY:.0f} ms an answer, median of {ROUNDS} rounds"
        + ("; depeche's debug build." if "/debug/" in binary else "."),
        "",
        "| domains | checked by | what | questions | round trips deep | seconds |",
        "|---|---|---|---|---|---|",
    ]
    what = {"depeche": "SPF, DKIM and DMARC for two providers, and what stands around", "checkdmarc": "SPF and DMARC, MX, DNSSEC; no DKIM, no provider"}
    for count in (1, MANY):
        for name, sender in (("depeche", depeche), ("checkdmarc", checkdmarc)):
            questions, deep, seconds = measure(sender, binary, count)
            lines.append(f"| {count} | {name} | {what[name]} | {questions} | {deep} | {seconds:.2f} |")
            print(lines[-1], flush=True)
    table = "\n".join(lines)
    print(table)
    if document:
        replace(document, "domain", table)


if __name__ == "__main__":
    main()
