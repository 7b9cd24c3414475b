"""Holds the largest resident size of a command over 24 000 recipients against that over 10 000; see memory.sh."""

import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time

FEW, MANY = 10_000, 24_000
# What 14 000 more recipients may cost, in MiB: both are more than what is held at most (windows, pages, names of
# recipients). A record of 300 octets for each of them would be 4, and one with the
# contact’s fields 8 and more.
MORE = {"send": 5, "resume": 5, "status": 3, "status --json": 4, "report": 4}

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
name = "relais"
kind = "smtp"
host = "127.0.0.1"
port = {port}
tls = "none"
limits = {{ connections = 4 }}
[fallback]
require_authenticated = false
"""
RELEASE = "---\ntitle: \"L’usine rouvre\"\nlang: fr\ncity: Grenoble\n---\nBonjour {{ contact.first_name }},\n\nL’usine rouvre.\n"


def sink():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    user = ["-u", "nobody"] if os.getuid() == 0 else []
    process = subprocess.Popen(["smtp-sink", *user, f"127.0.0.1:{port}", "200"], stderr=subprocess.DEVNULL)
    for _ in range(500):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return process, port
        time.sleep(0.02)
    raise SystemExit("smtp-sink does not listen")


# ru_maxrss of wait4(2) begins with what the parent held when it forked, so a small one stands between.
LAUNCH = """
import os, subprocess, sys
process = subprocess.Popen(sys.argv[2:], stdout=open(sys.argv[1], "wb"))
_, status, usage = os.wait4(process.pid, 0)
print(os.waitstatus_to_exitcode(status), usage.ru_maxrss)
"""


def largest(binary, folder, words, end, out):
    """The largest resident size of one command, in MiB; what it says goes to a file."""
    command = [sys.executable, "-I", "-S", "-c", LAUNCH, str(out), binary, "-C", str(folder), *words]
    done = subprocess.run(command, capture_output=True, text=True)
    code, kibibytes = map(int, done.stdout.split())
    if code != end:
        raise SystemExit(f"{words}: exit {code}, not {end}\n{done.stderr[-2000:]}")
    return kibibytes / 1024


def commands(binary, port, count):
    """Of a run that nobody takes yet, and of the same one when everybody was sent to."""
    with tempfile.TemporaryDirectory() as name:
        folder, found = pathlib.Path(name), {}
        out = folder / "out"
        rows = (f"j{n}@journal{n % 997}.example,Zoé{n},Lefèvre,Le Progrès de la vallée et des montagnes\n" for n in range(count))
        (folder / "list.csv").write_text("email,first_name,last_name,outlet\n" + "".join(rows), encoding="utf-8")
        (folder / "release.md").write_text(RELEASE, encoding="utf-8")
        # Nobody listens: the list is frozen, the provider is set aside, exit 4.
        (folder / "depeche.toml").write_text(CONFIG.format(port=1))
        words = ["send", "release.md", "--to", "list.csv", "--confirm", str(count), "--no-wait", "--quiet"]
        found["send"] = largest(binary, folder, words, 4, out)
        (folder / "depeche.toml").write_text(CONFIG.format(port=port))
        found["resume"] = largest(binary, folder, ["resume", "--quiet", "--json"], 0, out)
        totals = json.loads(out.read_text(encoding="utf-8"))["totals"]
        if totals["accepted"] != count:
            raise SystemExit(f"{totals}")
        found["status"] = largest(binary, folder, ["status"], 0, out)
        found["status --json"] = largest(binary, folder, ["status", "--json"], 0, out)
        found["report"] = largest(binary, folder, ["report", "--csv", str(folder / "report.csv"), "--json"], 0, out)
        return found


def main():
    binary = str(pathlib.Path(sys.argv[1]).resolve())
    process, port = sink()
    try:
        few, many = (commands(binary, port, count) for count in (FEW, MANY))
    finally:
        process.terminate()
    grown = []
    for command, more in MORE.items():
        print(f"{command}: {few[command]:.1f} MiB for {FEW} recipients, {many[command]:.1f} for {MANY}", flush=True)
        if many[command] > few[command] + more:
            grown.append(command)
    if grown:
        raise SystemExit(f"more than {MORE} MiB more: {', '.join(grown)}")


if __name__ == "__main__":
    main()
