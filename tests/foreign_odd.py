"""Odd messages, made and signed by dkimpy: several signatures, an expired one, one from the future, a second From that
nobody signed, headers in UTF-8, an ARC chain, ten megabytes, a signature of another domain. `message verify` says of
each what dkimpy says, or is stricter where the RFC named beside it asks for it; authres (PyPI) reads every
Authentication-Results line that was printed (RFC 8601)."""

import json
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import authres
import dkim
from foreign_dkim_read import HEADERS, message, records

MEGABYTES = 10


def sign(octets, key, names=None, **more):
    selector, algorithm, private = key
    names = names or [name for name, _ in HEADERS]
    line = dkim.sign(octets, selector, b"exemple.fr", private, signature_algorithm=algorithm, include_headers=names, **more)
    return line + octets


def with_times(octets, key, times):
    """dkimpy writes t= itself; other times are signed by putting them where the clock is read."""
    clock, dkim.time = dkim.time, None

    class Clock:
        time = staticmethod(lambda: times)

    dkim.time = Clock
    try:
        return sign(octets, key)
    finally:
        dkim.time = clock


def expired(octets, key):
    """A signature with x= of yesterday, made with dkimpy's own parts: its t= and x= are signed with the rest."""
    fields = dkim.DomainSigner.gen_header

    def gen_header(self, pairs, *rest, **more):
        old = int(time.time()) - 86_400
        kept = [(name, b"%d" % (old - 3600) if name == b"t" else value) for name, value in pairs]
        at = [name for name, _ in kept].index(b"h")
        kept.insert(at, (b"x", b"%d" % old))
        return fields(self, kept, *rest, **more)

    dkim.DomainSigner.gen_header = gen_header
    try:
        return sign(octets, key)
    finally:
        dkim.DomainSigner.gen_header = fields


def chained(octets, key):
    """The message with an ARC set of a list that took it."""
    selector, _, private = key
    known = b"Authentication-Results: liste.example; dkim=pass header.d=exemple.fr\r\n" + octets
    lines = dkim.arc_sign(known, selector, b"exemple.fr", private, b"liste.example", include_headers=[b"from", b"subject"])
    return b"".join(lines) + known


def foreign(octets, folder, binary):
    """What dkimpy says of each signature, with the zone's keys."""
    zone = (folder / "keys.zone").read_text()
    texts = {}
    for line in zone.splitlines():
        if found := re.match(r"(\S+)\._domainkey 60 TXT (.*)", line):
            texts[f"{found[1]}._domainkey.exemple.fr."] = "".join(re.findall(r'"([^"]*)"', found[2])).encode()
    verifier = dkim.DKIM(octets)
    count = len([name for name, _ in verifier.headers if name.lower() == b"dkim-signature"])
    said = []
    for index in range(count):
        try:
            said.append(verifier.verify(index, dnsfunc=lambda name, timeout=5: texts.get(name.decode() if isinstance(name, bytes) else name)))
        except dkim.DKIMException:
            said.append(False)
    return said


def verify(binary, folder, octets):
    (folder / "odd.eml").write_bytes(octets)
    words = [binary, "message", "verify", "odd.eml", "--zone", "keys.zone", "--json", "--ip", "192.0.2.1", "--helo", "mta.exemple.fr"]
    done = subprocess.run(words, cwd=folder, capture_output=True, check=False, timeout=60)
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


def read_results(line, told, what):
    """authres reads the line, and finds in it what the document says."""
    parsed = authres.AuthenticationResultsHeader.parse(f"Authentication-Results: {line.removeprefix('Authentication-Results:').strip()}")
    by_method = {}
    for result in parsed.results:
        by_method.setdefault(result.method, []).append(result.result)
    assert by_method.get("dkim", ["none"]) == [one["result"] for one in told["dkim"]] or not told["dkim"], (what, line)
    assert by_method["dmarc"] == [told["dmarc"]["result"]], (what, line)
    return len(parsed.results)


def main():
    binary, lines = str(pathlib.Path(sys.argv[1]).resolve()), 0
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        rsa, ed = records(folder)
        plain, now = message(), int(time.time())
        utf8 = plain.replace(b"To: journaliste@", "To: Zoé <zoé@".encode()).replace(b"journal.example\r\n", "médias.example>\r\n".encode())
        large = plain + b"0123456789abcdef" * (MEGABYTES * 65_536) + b"\r\n"
        both = sign(sign(plain, rsa), ed)
        twice = sign(plain, rsa)
        # What, the message, each signature's verdict, DMARC's.
        cases = [
            ("RSA and Ed25519", both, ["pass", "pass"], "pass"),
            ("one of two broken", both.replace(b"; s=e1;", b"; s=e2;"), None, "pass"),
            ("expired (RFC 6376, 3.5: x=)", expired(plain, rsa), None, "fail"),
            ("signed tomorrow (RFC 6376, 3.5: t=)", with_times(plain, rsa, now + 86_400), None, None),
            ("a second From above (RFC 5322, 3.6; RFC 9989)", b"From: Le Ministre <ministre@gouv.example>\r\n" + twice, None, "fail"),
            ("From signed once, oversigned", sign(plain, rsa, [n for n, _ in HEADERS] + [b"from"]), ["pass"], "pass"),
            ("UTF-8 headers (RFC 6532)", sign(utf8, rsa), ["pass"], "pass"),
            ("an ARC set", chained(sign(plain, rsa), rsa), ["pass"], "pass"),
            (f"{MEGABYTES} MB", sign(large, rsa), ["pass"], "pass"),
            ("folded and empty headers", sign(b"X-Empty:\r\nX-Folded: a\r\n\tb\r\n" + plain, rsa), ["pass"], "pass"),
            ("no signature", plain, [], "fail"),
            ("l= and an addition (RFC 6376, 8.2)", sign(plain, rsa, length=True) + b"Achetez !\r\n", None, None),
        ]
        for what, octets, wanted, dmarc in cases:
            told = verify(binary, folder, octets)
            results = [one["result"] for one in told["dkim"]]
            said = foreign(octets, folder, binary)
            if wanted is not None:
                assert results == wanted, (what, told["dkim"])
            assert len(said) == len(results), (what, said, results)
            if "tomorrow" in what:
                # A receiver MAY ignore it, as dkimpy does: it passes with that word.
                assert results == ["pass"] and said == [False], (results, said)
                assert any("made in the future" in note for note in told["notes"]), told["notes"]
            elif "second From" in what:
                # dkimpy refuses the message; here the signature holds, and DMARC, which the reader sees, does not.
                assert results == ["pass"] and said == [False] and told["from"] is None, (results, said, told["from"])
            elif "l=" in what:
                assert any("covers only part of the body" in note for note in told["notes"]), told["notes"]
            else:
                assert results == ["pass" if one else ours for one, ours in zip(said, results)], (what, said, told["dkim"])
                # Never more lenient than dkimpy.
                assert all(theirs or ours != "pass" for ours, theirs in zip(results, said)), (what, said, told["dkim"])
            if dmarc is not None:
                assert told["dmarc"]["result"] == dmarc, (what, told["dmarc"], told["spf"], told["dkim"])
            if what == "an ARC set":
                assert told["arc"] == {"sets": 1, "claims": "none", "sealed_by": "exemple.fr", "verified": False}, told["arc"]
            lines += read_results(told["authentication_results"], told, what)
            print(f"  {what}: {', '.join(results) or 'none'}; DMARC {told['dmarc']['result']}; dkimpy {said}", file=sys.stderr)
        print(f"odd messages: {len(cases)} of {len(cases)} as they should be; authres reads {lines} results of theirs")


if __name__ == "__main__":
    main()
