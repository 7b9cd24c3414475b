"""Two DKIM signatures on every message (RSA-2048 and Ed25519), each verified by dkimpy."""

import base64
import pathlib
import subprocess
import sys
import tempfile

import dkim
from foreign_smtp import Recorder, free_port
from aiosmtpd.controller import Controller

CONTACTS = 20


def key(folder, name, *algorithm):
    path = folder / name
    subprocess.run(["openssl", "genpkey", *algorithm, "-out", str(path)], check=True, capture_output=True)
    path.chmod(0o600)
    public = subprocess.run(["openssl", "pkey", "-in", str(path), "-pubout", "-outform", "DER"], check=True, capture_output=True)
    return public.stdout


def project(folder, port):
    rsa = key(folder, "rsa.pem", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048")
    # RFC 8463, section 4: the record holds the bare 32 octets.
    ed25519 = key(folder, "ed.pem", "-algorithm", "ed25519")[-32:]
    (folder / "depeche.toml").write_text(
        f"""[organisation]
name = "Exemple SAS"
[from]
name = "Service de presse, Exemple"
address = "presse@exemple.fr"
[press_contact]
name = "Jeanne Martin"
address = "presse@exemple.fr"
[unsubscribe]
mailto = "presse+stop@exemple.fr"
[[provider]]
name = "relay"
kind = "smtp"
host = "127.0.0.1"
port = {port}
tls = "none"
dkim = [
  {{ domain = "exemple.fr", selector = "r1", key = {{ file = "rsa.pem" }} }},
  {{ domain = "exemple.fr", selector = "e1", key = {{ file = "ed.pem" }} }},
]
[fallback]
require_authenticated = false
"""
    )
    rows = [f"j{n}@journal.example,Zoé" for n in range(CONTACTS)]
    (folder / "contacts.csv").write_text("email,first_name\n" + "\n".join(rows) + "\n", encoding="utf-8")
    # A message with files is built of several pieces, and signed as one.
    picture = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    (folder / "usine.png").write_bytes(base64.b64decode(picture))
    (folder / "release.md").write_text(
        '---\ntitle: "L’usine de Grenoble rouvre"\nlang: fr\ncity: Grenoble\n'
        'images:\n  - file: usine.png\n    alt: L’usine\n    credit: Exemple SAS\n---\nBonjour {{ contact.first_name }},\n\n'
        "Une ligne.  \n\n- un point\n- un autre, [sur place](https://exemple.fr/usine)\n",
        encoding="utf-8",
    )
    encode = lambda octets: base64.b64encode(octets).decode()
    return {
        "r1._domainkey.exemple.fr.": f"v=DKIM1; k=rsa; p={encode(rsa)}",
        "e1._domainkey.exemple.fr.": f"v=DKIM1; k=ed25519; p={encode(ed25519)}",
    }


def judge(message, records):
    lookup = lambda name, timeout=5: records[name.decode() if isinstance(name, bytes) else name].encode()
    for index, algorithm in enumerate((b"rsa-sha256", b"ed25519-sha256")):
        verifier = dkim.DKIM(message)
        assert verifier.verify(idx=index, dnsfunc=lookup), f"signature {index} does not verify"
        assert verifier.signature_fields[b"a"] == algorithm, verifier.signature_fields
        signed = {name.strip().lower() for name in verifier.signature_fields[b"h"].split(b":")}
        for name in (b"from", b"to", b"subject", b"date", b"message-id", b"list-unsubscribe", b"cc"):
            assert name in signed, f"{name} is not signed"
    # A check that cannot fail proves nothing: a changed subject must break both.
    changed = message.replace(b"Subject: ", b"Subject: x", 1)
    assert changed != message
    for index in (0, 1):
        assert not dkim.DKIM(changed).verify(idx=index, dnsfunc=lookup)


def main():
    binary = str(pathlib.Path(sys.argv[1]).resolve())
    recorder = Recorder()
    port = free_port()
    controller = Controller(recorder, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        with tempfile.TemporaryDirectory() as name:
            records = project(pathlib.Path(name), port)
            command = [binary, "-C", name, "send", "release.md", "--to", "contacts.csv", "--confirm", str(CONTACTS), "--json"]
            done = subprocess.run(command, capture_output=True, text=True, timeout=120)
            assert done.returncode == 0, f"exit {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    finally:
        controller.stop()
    assert len(recorder.messages) == CONTACTS
    for _, message in recorder.messages:
        assert b"Content-Type: image/png" in message, "the image is not in the message"
        judge(message, records)
    print(f"dkimpy: {2 * CONTACTS} signatures of {CONTACTS} messages verified, 0 failed")


if __name__ == "__main__":
    main()
