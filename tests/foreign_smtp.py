"""Sends a 500-contact release through aiosmtpd and judges every message that arrived.

The criterion is the receiving side's: one copy per recipient, one recipient per message, and no
defect in the eyes of Python's own e-mail parser.
"""

import email
import email.policy
import json
import pathlib
import socket
import subprocess
import sys
import tempfile

from aiosmtpd.controller import Controller

CONTACTS = 500


class Recorder:
    def __init__(self):
        self.messages = []

    async def handle_DATA(self, server, session, envelope):
        self.messages.append((list(envelope.rcpt_tos), bytes(envelope.content)))
        return "250 2.0.0 taken"


def write_project(folder, port):
    (folder / "depeche.toml").write_text(
        f"""[organisation]
name = "Exemple SAS"
[from]
name = "Service de presse Exemple"
address = "presse@exemple.fr"
[press_contact]
name = "Jeanne Martin"
address = "presse@exemple.fr"
phone = "+33 1 23 45 67 89"
[unsubscribe]
mailto = "presse+stop@exemple.fr"
[[provider]]
name = "foreign"
kind = "smtp"
host = "127.0.0.1"
port = {port}
tls = "none"
limits = {{ connections = 4 }}
[fallback]
require_authenticated = false
"""
    )
    rows = ["email,first_name,last_name,outlet,lang"]
    rows += [f"j{n}@journal.example,Zoé,\"Martin, {n}\",Le Progrès n° {n},fr" for n in range(CONTACTS)]
    (folder / "contacts.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (folder / "release.md").write_text(
        """---
title: "L’usine de Grenoble rouvre : 120 emplois"
lang: fr
slug: usine-grenoble
city: Grenoble
---
Bonjour {{ contact.first_name }},

La rédaction de *{{ contact.outlet }}* est attendue [sur place](https://exemple.fr/usine).

- un point
- un autre
""",
        encoding="utf-8",
    )


def judge(messages):
    recipients = []
    for to, raw in messages:
        assert len(to) == 1, f"several recipients in one message: {to}"
        recipients.append(to[0].lower())
        message = email.message_from_bytes(raw, policy=email.policy.default)
        for part in message.walk():
            assert not part.defects, f"{to}: {part.defects}"
            for name, value in part.items():
                assert not getattr(value, "defects", ()), f"{to}: {name}: {value.defects}"
            if part.get_content_maintype() == "text":
                part.get_content()
        assert message["To"].addresses[0].addr_spec.lower() == to[0].lower()
        text = message.get_body(("plain",)).get_content()
        assert "Bonjour Zoé" in text and "{{" not in text, text[:200]
    assert len(recipients) == CONTACTS, f"{len(recipients)} messages arrived"
    assert len(set(recipients)) == CONTACTS, "somebody got it twice"


def free_port():
    # aiosmtpd's controller connects to the port that it was told, so it cannot be 0.
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def main():
    binary = str(pathlib.Path(sys.argv[1]).resolve())
    recorder = Recorder()
    controller = Controller(recorder, hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        port = controller.server.sockets[0].getsockname()[1]
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            write_project(folder, port)
            command = [binary, "-C", name, "send", "release.md", "--to", "contacts.csv", "--confirm", str(CONTACTS), "--json"]
            done = subprocess.run(command, capture_output=True, text=True, timeout=300)
            assert done.returncode == 0, f"exit {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
            totals = json.loads(done.stdout)["totals"]
            assert totals["accepted"] == CONTACTS, totals
            again = subprocess.run(command, capture_output=True, text=True, timeout=60)
            assert again.returncode == 5, f"a second send must be refused, exit {again.returncode}"
    finally:
        controller.stop()
    judge(recorder.messages)
    print(f"foreign mail server: {len(recorder.messages)} passed, 0 failed")


if __name__ == "__main__":
    main()
