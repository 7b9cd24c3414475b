"""Hostile DNS through the real binary: `domain check` of one domain asks at most 64 questions, ends within 25 s
(and what it takes to start and print), in 128 MiB, and never says "missing" of what it could not ask."""

import concurrent.futures
import json
import os
import subprocess
import sys
import time

from dns_server import Server, quoted

MOST_QUESTIONS, MOST_SECONDS, MOST_MIB = 64, 25, 128
DMARC = {"_dmarc.exemple.fr": {"TXT": ['"v=DMARC1; p=reject; rua=mailto:d@exemple.fr"']}}
PLAIN = {"MX": ["1 mx.exemple.fr."], "NS": ["ns1.exemple.fr."]}


def spf(*terms):
    return {"TXT": [quoted(" ".join(["v=spf1", *terms, "-all"]).encode())], **PLAIN}


def fan():
    """Ten includes, each with ten of its own, and so on for four storeys."""
    zone = {"exemple.fr": spf(*(f"include:{n}.f.exemple.fr" for n in range(10)))}
    for a in range(10):
        zone[f"{a}.f.exemple.fr"] = spf(*(f"include:{b}.{a}.f.exemple.fr" for b in range(10)))
        for b in range(10):
            zone[f"{b}.{a}.f.exemple.fr"] = spf(*(f"include:{c}.{b}.{a}.f.exemple.fr" for c in range(10)))
    return zone


def aliases(hops):
    zone = {f"c{n}.exemple.fr": {"CNAME": [f"c{n + 1}.exemple.fr."]} for n in range(hops)}
    zone[f"c{hops}.exemple.fr"] = spf("ip4:192.0.2.1")
    return {"exemple.fr": spf("include:c0.exemple.fr"), **zone}


STORIES = {
    "64 kB of TXT": ({"exemple.fr": {"TXT": [quoted(b"v=spf1 " + b"ip4:192.0.2.1 " * 4500 + b"-all")], **PLAIN}}, {}),
    "many TXT records of 64 kB together": ({"exemple.fr": {"TXT": [quoted(f"{n} ".encode() + b"x" * 1500) for n in range(40)], **PLAIN}}, {}),
    "records that include each other": ({"exemple.fr": spf("include:a.exemple.fr"), "a.exemple.fr": spf("include:exemple.fr")}, {}),
    "an alias that points to itself": ({"exemple.fr": spf("include:l.exemple.fr"), "l.exemple.fr": {"CNAME": ["l.exemple.fr."]}}, {}),
    "nine aliases in a row": (aliases(9), {}),
    "a fan of includes": (fan(), {}),
    "silence": ({}, {"fr": "silent"}),
    "silence about every name but one": ({"exemple.fr": spf(*(f"include:{n}.quiet.exemple.fr" for n in range(10)))}, {"quiet.exemple.fr": "silent"}),
    "answers under the wrong id": ({"exemple.fr": spf("ip4:192.0.2.1")}, {"fr": "wrong-id"}),
    "server failures": ({}, {"fr": "servfail"}),
}
# What nobody answered is not missing: exit 7, and no finding that says so.
NOT_ANSWERED = {"silence", "answers under the wrong id", "server failures"}


def run(binary, server):
    address = f"{server.address[0]}:{server.address[1]}"
    words = [binary, "domain", "check", "exemple.fr", "--provider", "ovh,brevo,mailchimp", "--nameserver", address, "--json"]
    began = time.monotonic()
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        told = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return json.loads(told), process.returncode, time.monotonic() - began, usage.ru_maxrss / 1024


def judge(story, document, code, seconds, mib, server):
    assert server.broken is None, (story, server.broken)
    # A question that was asked again (another port, TCP) is one question.
    questions = len({(name, kind) for _, name, kind in server.asked})
    domain = document["domains"][0]
    assert document["exit"] == code, (story, code)
    assert questions <= MOST_QUESTIONS and domain["queries"] <= MOST_QUESTIONS, (story, questions, domain["queries"])
    # Two seconds beyond the bound: the process starts, and prints.
    assert seconds <= MOST_SECONDS + 2, (story, seconds)
    assert mib <= MOST_MIB, (story, mib)
    assert len(json.dumps(document)) < 2_000_000, story
    if story in NOT_ANSWERED:
        assert code == 7 and domain["inconclusive"], (story, code)
        said = [found["id"] for found in domain["findings"]]
        assert not any(name.endswith("-MISSING") or name == "DNS-NO-DOMAIN" for name in said), (story, said)
    return questions


def main():
    binary, worst = sys.argv[1], [0, 0.0, 0.0]

    def tell(story):
        zone, faults = STORIES[story]
        server = Server({**zone, **DMARC}, faults=faults)
        document, code, seconds, mib = run(binary, server)
        return story, code, judge(story, document, code, seconds, mib, server), seconds, mib

    # Those that wait for silence wait side by side.
    with concurrent.futures.ThreadPoolExecutor(len(STORIES)) as pool:
        for story, code, questions, seconds, mib in pool.map(tell, STORIES):
            worst = [max(pair) for pair in zip(worst, (questions, seconds, mib))]
            print(f"  {story}: exit {code}, {questions} questions, {seconds:.1f} s, {mib:.0f} MiB")
    print(f"hostile DNS: {len(STORIES)} stories, at most {worst[0]} questions, {worst[1]:.1f} s, {worst[2]:.0f} MiB")


if __name__ == "__main__":
    main()
