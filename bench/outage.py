"""Measures what an outage of the first provider costs; see outage.sh."""

import datetime
import pathlib
import subprocess
import sys
import tempfile

from send import built, free_port, machine, replace

RECIPIENTS, FAILS_AT, PACE = 400, 40, 20
DETECTION, SLACK = 20, 5

CONFIG = """[organisation]
name = "Exemple SAS"
[from]
name = "Service de presse Exemple"
address = "presse@exemple.fr"
[press_contact]
name = "Jeanne Martin"
address = "presse@exemple.fr"
[unsubscribe]
mailto = "presse+stop@exemple.fr"
[[provider]]
name = "first"
kind = "smtp"
host = "127.0.0.1"
port = {first}
tls = "none"
limits = {{ connections = 2, per_second = {pace} }}
[[provider]]
name = "spare"
kind = "smtp"
host = "127.0.0.1"
port = {spare}
tls = "none"
limits = {{ connections = 2, per_second = {pace} }}
[fallback]
require_authenticated = false
"""

RELEASE = '---\ntitle: "L’usine rouvre"\nlang: fr\ncity: Grenoble\n---\nBonjour {{ contact.first_name }},\n\nL’usine rouvre.\n'


def serve(takes, mode, notes):
    port = free_port()
    process = subprocess.Popen([sys.executable, "bench/peers/failing_smtp.py", str(port), str(takes), mode, str(notes)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline().strip() == "ready"
    return process, port


def noted(path):
    lines = path.read_text(encoding="utf-8").split("\n") if path.exists() else []
    return [(float(at), who) for at, who in (line.split(" ") for line in lines if line)]


def one(binary, mode):
    """Seconds from the failure to the last journalist, those who were left, and the order of the tiers."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        first, first_port = serve(FAILS_AT, mode, folder / "first")
        spare, spare_port = serve(10**9, "refuses", folder / "spare")
        try:
            (folder / "depeche.toml").write_text(CONFIG.format(first=first_port, spare=spare_port, pace=PACE), encoding="utf-8")
            (folder / "release.md").write_text(RELEASE, encoding="utf-8")
            rows = "".join(f"j{n}@journal.example,Zoé,{1 + n % 2}\n" for n in range(RECIPIENTS))
            (folder / "contacts.csv").write_text("email,first_name,tier\n" + rows, encoding="utf-8")
            command = [binary, "-C", str(folder), "send", "release.md", "--to", "contacts.csv", "--confirm", str(RECIPIENTS), "--quiet"]
            sending = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            # Those whose intent is durable at the silent one are waited for until their deadline; nobody else is.
            sending.wait(timeout=900)
        finally:
            first.kill()
            spare.kill()
        failed = next(at for at, who in noted(folder / "first") if who == "failed")
        by_first = [(at, who) for at, who in noted(folder / "first") if who != "failed"]
        by_spare = noted(folder / "spare")
    everybody = [who for _, who in by_first + by_spare]
    assert len(everybody) == len(set(everybody)), "somebody got it twice"
    tier = lambda who: 1 + int(who[1:].split("@")[0]) % 2
    order = [tier(who) for _, who in sorted(by_first + by_spare)]
    late = order[order.index(2):].count(1)
    return max(at for at, _ in by_spare) - failed, len(by_spare), RECIPIENTS - len(everybody), late


def main():
    binary = built()
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    build = ", a debug build" if "/debug/" in binary else ""
    lines = [
        f"{datetime.date.today()}, commit {commit}{build}; {machine()}.",
        f"{RECIPIENTS} journalists in two tiers, the first provider fails at {FAILS_AT}, {PACE} messages a second at most at either.",
        "",
        "| the first provider | left for the spare | seconds until the last of them | goal | without the release | of tier 1 after the first of tier 2 |",
        "|---|---|---|---|---|---|",
    ]
    missed = False
    for mode, words in (("refuses", "takes no connection"), ("silent", "says nothing more")):
        spent, rest, without, late = one(binary, mode)
        goal = DETECTION + rest / PACE + SLACK
        missed |= spent > goal or late > 4
        lines.append(f"| {words} | {rest} | {spent:.1f} | {goal:.1f} | {without} | {late} |")
    table = "\n".join(lines)
    print(table)
    if len(sys.argv) > 1:
        replace(sys.argv[1], "outage", table)
    sys.exit("the goal is missed" if missed else 0)


if __name__ == "__main__":
    main()
