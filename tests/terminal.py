"""The real binary on a pseudo-terminal, as a press officer sits before it."""

import asyncio
import json
import os
import pathlib
import pty
import re
import select
import subprocess
import sys
import tempfile
import time

from aiosmtpd.controller import Controller
from foreign_smtp import Recorder, free_port

CONFIG = """[from]
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
limits = {{ connections = 1 }}
[fallback]
require_authenticated = false
"""


class Slow(Recorder):
    """Takes half a second a message, so that somebody can press Ctrl-C."""

    wait = 0.0

    async def handle_DATA(self, server, session, envelope):
        await asyncio.sleep(self.wait)
        return await super().handle_DATA(server, session, envelope)


class Terminal:
    """One command: stdin and stderr are the terminal, stdout is a pipe for data."""

    def __init__(self, binary, folder, words, **environment):
        ours, theirs = pty.openpty()
        clean = {key: value for key, value in os.environ.items() if key not in ("LANG", "LC_ALL", "LC_MESSAGES", "NO_COLOR")}
        clean |= {"TERM": "xterm", "COLUMNS": "100"} | environment

        def takes_the_terminal():
            os.setsid()
            # Ctrl-C goes to the process whose terminal this is.
            import fcntl, termios
            fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(
            [binary, "-C", str(folder), *words], stdin=theirs, stderr=theirs, stdout=subprocess.PIPE,
            env=clean, preexec_fn=takes_the_terminal, text=True,
        )
        os.close(theirs)
        self.ours, self.seen = ours, ""

    def read(self, seconds):
        ready, _, _ = select.select([self.ours], [], [], seconds)
        if not ready:
            return False
        try:
            piece = os.read(self.ours, 65_536)
        except OSError:
            return False
        self.seen += piece.decode("utf-8", "replace")
        return bool(piece)

    def until(self, text, seconds=60):
        begin, deadline = len(self.seen), time.monotonic() + seconds
        begin = self.seen.find(text, getattr(self, "past", 0))
        while begin < 0:
            assert time.monotonic() < deadline, f"`{text}` was not said:\n{self.seen}"
            self.read(0.2)
            begin = self.seen.find(text, getattr(self, "past", 0))
        self.past = begin + len(text)

    def type(self, text):
        os.write(self.ours, text.encode())

    def answer(self, question, text):
        self.until(question)
        self.type(text + "\n")

    def end(self, seconds=60):
        deadline = time.monotonic() + seconds
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"it does not end:\n{self.seen}"
            self.read(0.1)
        while self.read(0.1):
            pass
        os.close(self.ours)
        return self.process.returncode, self.process.stdout.read()


def project(port, contacts):
    folder = pathlib.Path(tempfile.mkdtemp())
    (folder / "depeche.toml").write_text(CONFIG.format(port=port))
    rows = "".join(f"j{n}@journal.example,Zoé\n" for n in range(contacts))
    (folder / "contacts.csv").write_text("email,first_name\n" + rows, encoding="utf-8")
    (folder / "release.md").write_text('---\ntitle: "Essai"\nlang: fr\ncity: Lyon\n---\nBonjour {{ contact.first_name }}\n', encoding="utf-8")
    return folder


SEND = ["send", "release.md", "--to", "contacts.csv"]


def init_asks_and_tests_logins(binary, port):
    folder = pathlib.Path(tempfile.mkdtemp())
    terminal = Terminal(binary, folder, ["init", "--lang", "fr"], PRESSE_MDP="geheim")
    terminal.answer("Nom de l'organisation", "L'Usine & Cie")
    terminal.answer("[L'Usine & Cie]", "")
    terminal.answer("Adresse", "presse")
    terminal.until("n'a pas de @")
    terminal.answer("Adresse", "presse@usine.example")
    terminal.answer("contact presse", "Jeanne Martin")
    terminal.answer("Téléphone", "+33 1 99 00 00 00")
    terminal.answer("[presse+stop@usine.example]", "")
    terminal.answer("Entrée", "6")
    terminal.answer("[smtp]", "relais")
    terminal.answer("Hôte", "127.0.0.1")
    terminal.answer("[presse@usine.example]", "")
    terminal.answer("[env SMTP_PASSWORD]", "geheim")
    terminal.answer("env NOM", "env PRESSE_MDP")
    terminal.answer("Entrée", "")
    terminal.until("relais : pas de connexion à 127.0.0.1")
    exit_code, said = terminal.end()
    assert exit_code == 1, (exit_code, terminal.seen)
    assert "geheim" not in (folder / "depeche.toml").read_text() + said, "a secret was written"
    shown = subprocess.run([binary, "-C", str(folder), "config", "show", "--json"], capture_output=True, text=True, check=True)
    config = json.loads(shown.stdout)["config"]
    assert config["identity"]["organisation"]["name"] == "L'Usine & Cie", config
    assert config["identity"]["unsubscribe"]["mailto"] == "presse+stop@usine.example", config
    [provider] = config["providers"]
    assert (provider["name"], provider["host"], provider["secret"]) == ("relais", "127.0.0.1", "env PRESSE_MDP"), provider

    quiet = pathlib.Path(tempfile.mkdtemp())
    terminal = Terminal(binary, quiet, ["init", "--no-input"])
    exit_code, said = terminal.end()
    assert exit_code == 0 and "depeche.toml" in said and "?" not in terminal.seen, terminal.seen


def the_count_is_typed(binary, port, recorder):
    folder = project(port, 3)
    terminal = Terminal(binary, folder, SEND)
    terminal.until('"Essai" goes to 3 recipients')
    terminal.answer("Type 3 to send", "y")
    exit_code, _ = terminal.end()
    assert exit_code == 5 and "nothing was sent" in terminal.seen and not recorder.messages, terminal.seen
    recorder.wait = 0.4
    terminal = Terminal(binary, folder, SEND)
    terminal.answer("Type 3 to send", "3")
    exit_code, said = terminal.end()
    assert exit_code == 0 and "3 of 3 accepted" in said and len(recorder.messages) == 3, (said, terminal.seen)
    assert re.search(r"[123]/3", terminal.seen) and "sink: 1" in terminal.seen, f"no progress was drawn:\n{terminal.seen}"


def control_c_drains_and_then_leaves(binary, port, recorder):
    recorder.wait = 0.4
    folder = project(port, 40)
    terminal = Terminal(binary, folder, [*SEND, "--confirm", "40"])
    while len(recorder.messages) < 2:
        terminal.read(0.1)
    terminal.type("\x03")
    terminal.until("interrupted")
    exit_code, _ = terminal.end()
    drained = len(recorder.messages)
    assert exit_code == 130 and 2 <= drained < 40, (exit_code, drained)
    assert "depeche resume" in terminal.seen, terminal.seen
    totals = json.loads(subprocess.run([binary, "-C", str(folder), "status", "--json"], capture_output=True, text=True).stdout)["totals"]
    assert totals["accepted"] == drained and totals["unknown"] == 0, totals

    recorder.wait = 20
    terminal = Terminal(binary, folder, ["resume"])
    terminal.until("goes on")
    time.sleep(2)
    terminal.type("\x03")
    terminal.until("interrupted")
    terminal.type("\x03")
    began = time.monotonic()
    exit_code, _ = terminal.end()
    assert exit_code == 130 and time.monotonic() - began < 10, (exit_code, terminal.seen)
    totals = json.loads(subprocess.run([binary, "-C", str(folder), "status", "--json"], capture_output=True, text=True).stdout)["totals"]
    assert totals["accepted"] == drained and totals["unknown"] == 1, totals
    recorder.wait = 0


def colours_can_be_turned_off(binary, port):
    folder = project(port, 1)
    (folder / "depeche.toml").write_text("[form]\n")
    red = "\x1b[1;31m"
    for words, environment, is_red in [
        ([], {}, True),
        (["--color", "never"], {}, False),
        ([], {"NO_COLOR": "1"}, False),
        (["--color", "always"], {"NO_COLOR": "1"}, True),
        (["--json"], {}, False),
    ]:
        terminal = Terminal(binary, folder, ["config", "check", *words], **environment)
        exit_code, said = terminal.end()
        assert exit_code == 2 and (red in terminal.seen) == is_red and red not in said, (words, environment, terminal.seen)


def main():
    binary = str(pathlib.Path(sys.argv[1]).resolve())
    recorder, port = Slow(), free_port()
    controller = Controller(recorder, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        init_asks_and_tests_logins(binary, port)
        the_count_is_typed(binary, port, recorder)
        recorder.messages.clear()
        control_c_drains_and_then_leaves(binary, port, recorder)
        colours_can_be_turned_off(binary, port)
    finally:
        controller.stop()
    print("terminal: init asks and tests logins, the count is typed, Ctrl-C drains and leaves, progress is drawn, colours end")


if __name__ == "__main__":
    main()
