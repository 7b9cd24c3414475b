"""Measures how fast the same release goes out through depeche and its peers; see send.sh."""

import datetime
import json
import os
import pathlib
import platform
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

CONNECTIONS = 10
PARAGRAPH = "<p>La production des capteurs sans mercure commence en mars à Grenoble, avec 120 personnes.</p>\n"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def sink():
    port = free_port()
    process = subprocess.Popen(["smtp-sink", "-u", "nobody", f"127.0.0.1:{port}", "200"] if os.getuid() == 0 else ["smtp-sink", f"127.0.0.1:{port}", "200"], stderr=subprocess.DEVNULL)
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return process, port
        time.sleep(0.02)
    raise SystemExit("smtp-sink does not listen")


def depeche_project(folder, port, key=None, connections=CONNECTIONS):
    signs = f'dkim = {{ domain = "exemple.fr", selector = "s1", key = {{ file = "{key}" }} }}' if key else ""
    (folder / "depeche.toml").write_text(
        f"""[organisation]
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
name = "sink"
kind = "smtp"
host = "127.0.0.1"
port = {port}
tls = "none"
limits = {{ connections = {connections} }}
{signs}
[fallback]
require_authenticated = false
"""
    )


def built():
    """The binary that is measured: the release build, unless DEPECHE names another."""
    return str(pathlib.Path(os.environ.get("DEPECHE", "target/release/depeche")).resolve())


def depeche(binary, folder, messages):
    shutil.rmtree(folder / ".depeche", ignore_errors=True)
    command = [binary, "-C", str(folder), "send", "release.md", "--to", "contacts.csv", "--confirm", str(messages), "--json"]
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True)
    spent = time.perf_counter() - start
    assert done.returncode == 0, done.stderr[-2000:]
    totals = json.loads(done.stdout)["totals"]
    assert totals["accepted"] == messages, totals
    return spent


def smtp_source(port, messages, size):
    start = time.perf_counter()
    subprocess.run(["smtp-source", "-d", "-s", str(CONNECTIONS), "-m", str(messages), "-l", str(size), "-f", "presse@exemple.fr", "-t", "j@journal.example", f"127.0.0.1:{port}"], check=True, capture_output=True)
    return time.perf_counter() - start


def printed(command):
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return float(done.stdout.split()[-1])


def mailmerge(home, folder, port):
    """mailmerge: a connection a message, one after the other, as its command line does it."""
    (folder / "mailmerge.conf").write_text(f"[smtp_server]\nhost = 127.0.0.1\nport = {port}\n")
    text = (folder / "page.html").read_text(encoding="utf-8").replace("{{name}}", "{{first_name}}")
    head = "TO: {{email}}\nSUBJECT: L’usine de Grenoble rouvre\nFROM: presse@exemple.fr\nContent-Type: text/html; charset=utf-8\n\n"
    (folder / "mailmerge.txt").write_text(head + text, encoding="utf-8")
    command = [str(home / "venv/bin/mailmerge"), "--no-dry-run", "--no-limit", "--output-format", "text", "--template", "mailmerge.txt", "--database", "contacts.csv", "--config", "mailmerge.conf"]
    start = time.perf_counter()
    done = subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return time.perf_counter() - start


def machine():
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    return f"{os.cpu_count()} × {model}, {platform.system()} {platform.release()}"


def replace(page, mark, table):
    """Puts the table between the marks of a page."""
    page = pathlib.Path(page)
    begin, end = f"<!-- {mark} -->\n", f"<!-- /{mark} -->"
    head, rest = page.read_text(encoding="utf-8").split(begin, 1)
    page.write_text(head + begin + table + "\n" + end + rest.split(end, 1)[1], encoding="utf-8")


def main():
    home, messages, rounds = pathlib.Path(sys.argv[1]).resolve(), int(sys.argv[2]), int(sys.argv[3])
    binary = built()
    process, port = sink()
    times = {}
    try:
        with tempfile.TemporaryDirectory(dir=home) as name:
            folder = pathlib.Path(name)
            rows = "".join(f"j{n}@journal.example,Zoé{n}\n" for n in range(messages))
            (folder / "contacts.csv").write_text("email,first_name\n" + rows, encoding="utf-8")
            body = PARAGRAPH * (20_000 // len(PARAGRAPH.encode()))
            html = folder / "page.html"
            html.write_text("<p>Bonjour {{name}},</p>\n" + body, encoding="utf-8")
            text = body.replace("<p>", "").replace("</p>", "\n")
            # The layout adds its own markup: the release's text is shortened so that the HTML is 20 kB.
            (folder / "release.md").write_text("---\ntitle: \"L’usine de Grenoble rouvre\"\nlang: fr\ncity: Grenoble\n---\nBonjour {{ contact.first_name }},\n\n" + text[:9_000].rsplit("\n\n", 1)[0] + "\n", encoding="utf-8")
            key = folder / "dkim.pem"
            subprocess.run(["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", str(key)], check=True, capture_output=True)
            key.chmod(0o600)
            signed = folder / "signed"
            signed.mkdir()
            for file in ("contacts.csv", "release.md"):
                shutil.copy(folder / file, signed / file)
            depeche_project(folder, port)
            depeche_project(signed, port, key)
            rendered = subprocess.run([binary, "-C", str(folder), "release", "render", "release.md", "--to", "contacts.csv", "--format", "eml"], capture_output=True).stdout
            size = len(rendered)
            node = ["node", "bench/peers/nodemailer.js", str(home / "node_modules"), str(port), str(CONNECTIONS), str(folder / "contacts.csv"), str(html)]
            runs = {
                "depeche": lambda: depeche(binary, folder, messages),
                "depeche, RSA-2048 DKIM": lambda: depeche(binary, signed, messages),
                "nodemailer pool": lambda: printed(node),
                "nodemailer pool, RSA-2048 DKIM": lambda: printed([*node, str(key)]),
                "aiosmtplib": lambda: printed([str(home / "venv/bin/python"), "bench/peers/aiosmtplib_pool.py", str(port), str(CONNECTIONS), str(folder / "contacts.csv"), str(html)]),
                "mailmerge": lambda: mailmerge(home, folder, port),
                "smtp-source (canned)": lambda: smtp_source(port, messages, size),
            }
            times = {name: [] for name in runs}
            for _ in range(rounds):
                for name, run in runs.items():
                    times[name].append(run())
    finally:
        process.kill()
    median = {name: statistics.median(spent) for name, spent in times.items()}
    base = median["depeche"]
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    lines = [
        f"{datetime.date.today()}, commit {commit}; {machine()}.",
        f"{messages} messages of {size} octets (depeche's whole MIME), {CONNECTIONS} connections, median of {rounds} alternating rounds, sink: smtp-sink.",
        "",
        "| sender | messages a second | depeche is so many times as fast |",
        "|---|---|---|",
    ]
    for name, spent in median.items():
        against = median["depeche, RSA-2048 DKIM"] if "DKIM" in name else base
        lines.append(f"| {name} | {messages / spent:.0f} | {spent / against:.2f} |")
    table = "\n".join(lines)
    print(table)
    if len(sys.argv) > 4:
        replace(sys.argv[4], "send", table)


if __name__ == "__main__":
    main()
