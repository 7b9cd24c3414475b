"""Sends through a real Postfix to mailboxes that do not exist, and judges what `depeche sync` makes of the
reports that come back: who is told as bounced, by which clue, what is suppressed, what an uncertain
recipient becomes, and that a second reading changes nothing.
"""

import json
import mailbox
import os
import pathlib
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

DOMAIN = "exemple.test"
PASSWORD = "mot de passe"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(what, condition, seconds=90):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what} did not come to pass within {seconds} s"
        time.sleep(0.2)


class Postfix:
    """A Postfix with its own configuration, queue and Maildirs, on a loopback port."""

    def __init__(self, folder, port, offers_dsn):
        self.folder, self.port = folder, port
        self.config = folder / "etc"
        self.maildirs = folder / "mail"
        for path in (self.config, folder / "data", folder / "spool", self.maildirs):
            path.mkdir(parents=True)
        postfix = pwd.getpwnam("postfix")
        os.chown(folder / "data", postfix.pw_uid, postfix.pw_gid)
        nobody = pwd.getpwnam("nobody")
        os.chown(self.maildirs, nobody.pw_uid, nobody.pw_gid)
        (self.config / "boxes").write_text(
            f"rebonds@{DOMAIN} rebonds/\npresse@{DOMAIN} rebonds/\nzoe@{DOMAIN} zoe/\n"
        )
        # Whom Postfix itself does not know it takes and bounces; these it hands to a receiver that refuses.
        (self.config / "next").write_text(
            f"/^(pleine|rejet).*@{DOMAIN}$/ smtp:[127.0.0.1]:{Receiver().port}\n"
        )
        hidden = "" if offers_dsn else "smtpd_discard_ehlo_keywords = dsn, silent-discard\n"
        (self.config / "main.cf").write_text(
            f"""compatibility_level = 3.6
queue_directory = {folder}/spool
data_directory = {folder}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
myhostname = relais.{DOMAIN}
mydestination =
inet_interfaces = loopback-only
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
recipient_delimiter = +
virtual_mailbox_domains = {DOMAIN}
virtual_mailbox_base = {self.maildirs}
virtual_mailbox_maps = texthash:{self.config}/boxes
smtpd_reject_unlisted_recipient = no
virtual_uid_maps = static:{nobody.pw_uid}
virtual_gid_maps = static:{nobody.pw_gid}
transport_maps = regexp:{self.config}/next
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
smtpd_relay_restrictions = permit_mynetworks, reject
alias_maps =
local_recipient_maps =
{hidden}"""
        )
        master = pathlib.Path("/usr/share/postfix/master.cf.dist").read_text()
        lines = []
        for line in master.splitlines():
            if line.startswith("smtp      inet"):
                line = f"127.0.0.1:{port} inet n - n - - smtpd"
            lines.append(line)
        lines.append("postlog unix-dgram n - n - 1 postlogd")
        text = "\n".join(lines) + "\n"
        # No chroot: the folder has none of what one needs.
        rows = []
        for line in text.splitlines():
            words = line.split()
            if words and not line.startswith(("#", " ", "\t")) and len(words) >= 8:
                words[4] = "n"
                line = " ".join(words)
            rows.append(line)
        (self.config / "master.cf").write_text("\n".join(rows) + "\n")

    def run(self, verb):
        return subprocess.run(
            ["/usr/sbin/postfix", "-c", str(self.config), verb], capture_output=True, text=True, check=False
        )

    def start(self):
        started = self.run("start")
        log = self.folder / "log"
        detail = started.stderr + (log.read_text() if log.exists() else "")
        assert started.returncode == 0, detail

        def answers():
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return True
            except OSError:
                return False

        wait_for("the start of Postfix", answers)

    def stop(self):
        self.run("stop")

    def reports(self):
        return [path for state in ("new", "cur") for path in (self.maildirs / "rebonds" / state).glob("*")]


class Receiver:
    """The next server: it refuses at RCPT, in the words of real ones."""

    SAYS = {"pleine": "552 5.2.2 Mailbox is full", "rejet": "550 5.2.0 Mail rejete. Mail rejected. OFR_506 [506]"}

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            line, _ = self.listener.accept()
            threading.Thread(target=self.talk, args=(line,), daemon=True).start()

    def talk(self, line):
        with line, line.makefile("rw", newline="") as talk:

            def say(text):
                talk.write(text + "\r\n")
                talk.flush()

            say("220 mx.exemple.test ESMTP")
            for command in talk:
                verb = command[:4].upper()
                if verb == "RCPT":
                    say(next(said for who, said in self.SAYS.items() if who in command))
                elif verb == "DATA":
                    say("554 5.5.1 no valid recipients")
                elif verb == "QUIT":
                    say("221 2.0.0 bye")
                    return
                else:
                    say("250 2.0.0 ok")


class Dovecot:
    """IMAP on a loopback port over the Maildir of reports."""

    def __init__(self, folder, port, maildir):
        self.folder, self.port = folder, port
        folder.mkdir()
        nobody = pwd.getpwnam("nobody")
        (folder / "users").write_text(f"rebonds@{DOMAIN}:{{PLAIN}}{PASSWORD}:{nobody.pw_uid}:{nobody.pw_gid}::/tmp::\n")
        (folder / "dovecot.conf").write_text(
            f"""base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
protocols = imap
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
mail_location = maildir:{maildir}:INDEX={folder}/index:CONTROL={folder}/control
first_valid_uid = 0
first_valid_gid = 0
default_internal_user = nobody
default_internal_group = nogroup
default_login_user = nobody
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service anvil {{
  chroot =
}}
passdb {{
  driver = passwd-file
  args = {folder}/users
}}
userdb {{
  driver = passwd-file
  args = {folder}/users
}}
"""
        )
        for name in ("index", "control"):
            (folder / name).mkdir()
            os.chown(folder / name, nobody.pw_uid, nobody.pw_gid)

    def start(self):
        self.process = subprocess.Popen(["/usr/sbin/dovecot", "-F", "-c", str(self.folder / "dovecot.conf")])

        def answers():
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1) as line:
                    return line.recv(4) == b"* OK"
            except OSError:
                return False

        wait_for("the start of Dovecot", answers)

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=20)


class LosesTheAnswer:
    """Passes everything on to Postfix; from `from_message` on the answer to the final dot is lost."""

    def __init__(self, port, from_message):
        self.target, self.from_message, self.dots = port, from_message, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            threading.Thread(target=self.relay, args=(client,), daemon=True).start()

    def relay(self, client):
        server = socket.create_connection(("127.0.0.1", self.target))
        lost = threading.Event()

        def back():
            while data := server.recv(65536):
                if lost.is_set():
                    client.shutdown(socket.SHUT_RDWR)
                    return
                client.sendall(data)

        threading.Thread(target=back, daemon=True).start()
        tail = b""
        try:
            while data := client.recv(65536):
                # Commands of the next message may stand behind the dot (RFC 2920).
                dots = (tail + data).count(b"\r\n.\r\n")
                tail = (tail + data)[-4:]
                if dots:
                    self.dots += dots
                    if self.dots >= self.from_message:
                        lost.set()
                server.sendall(data)
        except OSError:
            pass
        finally:
            time.sleep(0.5)
            server.close()


def project(folder, port, people, more="", bounces=""):
    folder.mkdir()
    (folder / "depeche.toml").write_text(
        f"""[from]
name = "Service de presse Exemple"
address = "presse@{DOMAIN}"
[press_contact]
name = "Jeanne Martin"
address = "presse@{DOMAIN}"
[unsubscribe]
mailto = "presse+stop@{DOMAIN}"
[[provider]]
name = "relais"
kind = "smtp"
host = "127.0.0.1"
port = {port}
tls = "none"
limits = {{ connections = 1 }}
{more}
{bounces}
[fallback]
require_authenticated = false
"""
    )
    (folder / "contacts.csv").write_text("email,first_name\n" + "".join(f"{who}@{DOMAIN},Zoé\n" for who in people))
    (folder / "release.md").write_text(
        "---\ntitle: L’usine de Grenoble rouvre\nlang: fr\nslug: usine\ncity: Grenoble\n---\nBonjour {{ contact.first_name }},\n\nVoici.\n"
    )
    (folder / "secret").write_text(PASSWORD + "\n")
    (folder / "secret").chmod(0o600)
    return folder


def depeche(folder, *words):
    ran = subprocess.run([BINARY, "--json", "-C", str(folder), *words], capture_output=True, text=True, timeout=180)
    assert ran.stdout, f"{words}: {ran.returncode}\n{ran.stderr}"
    return ran.returncode, json.loads(ran.stdout)


def send(folder, people, expected):
    code, document = depeche(folder, "send", "release.md", "--to", "contacts.csv", "--confirm", str(len(people)))
    assert code == expected, (code, document)
    return document


def changes(document):
    return {change["address"].split("@")[0]: (change["event"], change["class"]) for change in document["changes"]}


def by_envid_over_imap(base, postfix):
    """The server offers DSN: every report carries our ENVID. Its returned headers are not needed."""
    port = free_port()
    bounces = f"""[bounces]
imap = {{ host = "127.0.0.1", port = {port}, tls = "none", username = "rebonds@{DOMAIN}", password = {{ file = "secret" }} }}"""
    people = ["zoe", "mort1", "pleine1", "rejet1"]
    envelope = f'envelope_from = "rebonds@{DOMAIN}"'
    folder = project(base / "envid", postfix.port, people, envelope, bounces)
    send(folder, people, 0)
    wait_for("three reports", lambda: len(postfix.reports()) == 3)
    for path in postfix.reports():
        text = path.read_text()
        assert "Original-Envelope-Id: " in text, text
        # Without it only ENVID is left to go by.
        path.write_text(text.replace("Message-Id: <", "X-Was: <").replace("Message-ID: <", "X-Was: <"))
    dovecot = Dovecot(base / "dovecot", port, postfix.maildirs / "rebonds")
    dovecot.start()
    try:
        code, first = depeche(folder, "sync")
        assert code == 3, first
        assert changes(first) == {
            "mort1": ("invalid_address", "bad_address"),
            "pleine1": ("bounced_soft", "full"),
            "rejet1": ("bounced_hard", "policy"),
        }, first
        assert first["suppressed"] == 1 and first["quarantined"] == 0, first
        seen = [path for path in postfix.reports() if path.name.endswith("S")]
        assert not seen, "reading marks nothing as read"
        code, second = depeche(folder, "sync")
        assert (code, second["changes"]) == (0, []), second
        source = next(source for source in second["sources"] if source["name"].startswith("bounces"))
        assert (source["new"], source["known"]) == (0, 0), "the mark keeps what was read from being read again"
        (folder / "secret").write_text("faux\n")
        code, refused = depeche(folder, "sync")
        assert code == 8 and any(source["state"] == "failed" for source in refused["sources"]), refused
    finally:
        dovecot.stop()
    # Somebody who reads an old copy of the mailbox learns nothing new.
    code, again = depeche(folder, "sync", "--mailbox", str(postfix.maildirs / "rebonds"))
    assert (code, again["changes"]) == (0, []), again
    _, listed = depeche(folder, "suppress", "list")
    assert [entry["address"] for entry in listed["suppressed"]] == [f"mort1@{DOMAIN}"], listed
    return 3


def by_sender_from_an_mbox(base, postfix):
    """No DSN, and the report returns nothing that names the message: the envelope's sender does."""
    people = ["zoe", "mort2"]
    folder = project(base / "verp", postfix.port, people, f'envelope_from = "rebonds+{{verp}}@{DOMAIN}"')
    send(folder, people, 0)
    wait_for("a report", lambda: len(postfix.reports()) == 1)
    text = postfix.reports()[0].read_text()
    assert "Original-Envelope-Id" not in text, text
    box = mailbox.mbox(base / "verp.mbox")
    box.add(text.replace("Message-Id: <", "X-Was: <").replace("Message-ID: <", "X-Was: <"))
    box.close()
    code, document = depeche(folder, "sync", "--mailbox", str(base / "verp.mbox"))
    assert code == 3 and changes(document) == {"mort2": ("invalid_address", "bad_address")}, document
    return 1


def by_message_id(base, postfix):
    """No DSN and one sender for all: the headers that the report returns name the message."""
    people = ["zoe", "mort3"]
    folder = project(base / "message-id", postfix.port, people, f'envelope_from = "rebonds@{DOMAIN}"')
    send(folder, people, 0)
    wait_for("a report", lambda: len(postfix.reports()) == 1)
    report = postfix.reports()[0]
    assert "Original-Envelope-Id" not in report.read_text()
    code, document = depeche(folder, "sync", "--mailbox", str(report))
    assert code == 3 and changes(document) == {"mort3": ("invalid_address", "bad_address")}, document
    return 1


def an_uncertain_one_is_proved(base, postfix):
    """The answer to the dot is lost, the message is not: its report proves that it was taken."""
    relay = LosesTheAnswer(postfix.port, 2)
    people = ["zoe", "mort4"]
    envelope = f'envelope_from = "rebonds+{{verp}}@{DOMAIN}"'
    folder = project(base / "unknown", relay.port, people, envelope)
    sent = send(folder, people, 6)
    assert sent["totals"]["unknown"] == 1, sent
    wait_for("a report", lambda: len(postfix.reports()) == 1)
    code, before = depeche(folder, "sync")
    assert code == 6 and before["doubtful"] == 1, "nothing but a proof decides"
    code, document = depeche(folder, "sync", "--mailbox", str(postfix.maildirs / "rebonds"))
    resolved = [(one["address"], one["state"]) for one in document["resolved"]]
    assert resolved == [(f"mort4@{DOMAIN}", "accepted")], document
    assert code == 3 and document["doubtful"] == 0, document
    return 1


def with_postfix(base, name, offers_dsn, story):
    postfix = Postfix(base / name, free_port(), offers_dsn)
    postfix.start()
    try:
        return story(base, postfix)
    except AssertionError:
        print((postfix.folder / "log").read_text()[-4000:], file=sys.stderr)
        raise
    finally:
        postfix.stop()


def main():
    stories = [
        ("envid", True, by_envid_over_imap),
        ("sender", False, by_sender_from_an_mbox),
        ("headers", False, by_message_id),
        ("lost", True, an_uncertain_one_is_proved),
    ]
    base = pathlib.Path(tempfile.mkdtemp(prefix="bounces"))
    # Postfix's and Dovecot's users must reach their folders.
    base.chmod(0o755)
    try:
        count = sum(with_postfix(base, f"postfix-{name}", dsn, story) for name, dsn, story in stories)
        print(f"bounces: {count} real reports found by ENVID, sender and Message-ID; 1 uncertain recipient proved")
    finally:
        shutil.rmtree(base, ignore_errors=True)


BINARY = str(pathlib.Path(sys.argv[1]).resolve())
if __name__ == "__main__":
    main()
