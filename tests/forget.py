"""Somebody is to be forgotten where there is a mirror, and the machine burns in the middle of it.

A run of 100 recipients is stopped by a kill at its 40th message. Then `suppress forget` is started for one who
has the release, and killed at its n-th write to the mirror; the folder is deleted. A second machine takes
over, sends the rest, and forgets the same person. The receiving side judges: nobody twice, nobody forgotten. Then
everything that the mirror holds is opened with the key, by another implementation of AES-GCM and HKDF than ours:
the address stands nowhere in it.
"""

import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

import boto3
from aiosmtpd.controller import Controller
from burn import CONNECTIONS, CONTACTS, KEY, Burner, Machine, store
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from foreign_smtp import free_port

AT = 40
ADDRESSES = [f"j{n}@journal.example" for n in range(CONTACTS)]


def opened(objects):
    """What (name, bytes) of the mirror say."""
    key = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=b"depeche mirror 1").derive(KEY.encode())
    for name, sealed in objects:
        assert sealed[0] == 1, f"{name}: version {sealed[0]}"
        yield name, AESGCM(key).decrypt(sealed[1:13], sealed[13:], name.encode()).decode()


def of_folder(folder):
    # A process that was killed between a draft and its name leaves the draft: looked at in the end.
    return ((str(path.relative_to(folder)), path.read_bytes()) for path in sorted(folder.glob("log/*")) if path.suffix != ".draft")


def bucket(port):
    keys = {"aws_access_key_id": "depeche", "aws_secret_access_key": "a secret of this test"}
    return boto3.resource("s3", endpoint_url=f"http://127.0.0.1:{port}", region_name="fr-par", **keys).Bucket("presse")


def of_store(port, prefix):
    return ((one.key[len(prefix) + 1 :], one.get()["Body"].read()) for one in bucket(port).objects.filter(Prefix=f"{prefix}/log/"))


def naming(held, address):
    return [name for name, text in opened(held()) if address in text]


def sizes_of_folder(folder):
    return [path.stat().st_size for path in folder.glob("log/*") if path.suffix != ".draft"]


def sizes_of_store(port, prefix):
    return [one.size for one in bucket(port).objects.filter(Prefix=f"{prefix}/log/")]


def writes(sizes):
    """Grows by one with each segment that is written, and with each that is emptied (those have some 210 octets)."""
    return len(sizes) + sum(size < 230 for size in sizes)


def forget(binary, burner, port, mirror, held, sizes, step):
    """One fire, at the `step`-th write to the mirror; with None nothing burns. Returns whether it was killed."""
    what = f"{mirror.splitlines()[0]}, at write {step} of forgetting"
    first = Machine(binary, port, mirror)
    process = first.start()
    burner.arm(AT, lambda: os.kill(process.pid, signal.SIGKILL))
    _, said = process.communicate(timeout=300)
    assert process.returncode == -signal.SIGKILL, f"{what}: it was not killed: {process.returncode} {said}"
    burner.at = None
    person = next(address for address in ADDRESSES if burner.copies[address])
    assert naming(held, person), f"{what}: {person} is not in the mirror at all"
    before, is_killed = writes(sizes()), False
    process = subprocess.Popen(first.command(["suppress", "forget", person]), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while step is not None and process.poll() is None:
        if writes(sizes()) >= before + step:
            process.kill()
            is_killed = process.wait() == -signal.SIGKILL
    said = process.communicate(timeout=300)
    assert is_killed or process.returncode == 0, f"{what}: {process.returncode} {said}"
    if not is_killed:
        assert not naming(held, person), f"{what}: {naming(held, person)}"
    first.delete()
    second = Machine(binary, port, mirror)
    code, taken = second.run(["take-over"])
    assert "error" not in taken and len(taken["runs"]) == 1, f"{what}: {code} {taken}"
    _, document = second.run(["resume"])
    totals = document["totals"]
    doubled = {to: count for to, count in burner.copies.items() if count > 1}
    assert not doubled, f"{what}: doubled: {doubled}"
    assert totals["recipients"] == CONTACTS and totals["accepted"] + totals["unknown"] == CONTACTS, f"{what}: forgotten: {totals}"
    assert totals["unknown"] <= CONNECTIONS, f"{what}: more uncertain than were in flight: {totals}"
    # Whether the first machine came to its end is not known there: it is typed again.
    code, again = second.run(["suppress", "forget", person])
    assert code == 0 and again["mirror"], f"{what}: {code} {again}"
    second.delete()
    assert not naming(held, person), f"{what}: {naming(held, person)}"
    assert any("forgotten.invalid" in text for _, text in opened(held())), what
    return is_killed


def main():
    binary = str(pathlib.Path(sys.argv[1]).resolve())
    steps = list(range(1, 60)) if "--quick" not in sys.argv else [1, 4, 8, 12, 40]
    burner, port, store_port = Burner(), free_port(), free_port()
    controller = Controller(burner, hostname="127.0.0.1", port=port)
    controller.start()
    process = store(store_port)
    root = pathlib.Path(tempfile.mkdtemp())
    s3 = f'endpoint = "http://127.0.0.1:{store_port}"\nregion = "fr-par"\naccess_key = {{ env = "BURN_ACCESS" }}\nsecret_key = {{ env = "BURN_SECRET" }}'
    os.environ.update(BURN_ACCESS="depeche", BURN_SECRET="a secret of this test")
    killed = 0
    try:
        for step in (None, *steps):
            folder, prefix = root / str(step), str(step)
            folder.mkdir()
            killed += forget(binary, burner, port, f'target = "file:{folder}"', lambda: of_folder(folder), lambda: sizes_of_folder(folder), step)
            left = [path.name for path in folder.glob("log/*.draft")]
            assert not left, f"{step}: {left} may name whoever was forgotten"
            shutil.rmtree(folder)
            target = f'target = "s3://presse/{prefix}"\n{s3}'
            killed += forget(binary, burner, port, target, lambda: of_store(store_port, prefix), lambda: sizes_of_store(store_port, prefix), step)
    finally:
        controller.stop()
        process.terminate()
        process.wait()
        shutil.rmtree(root, ignore_errors=True)
    # A fast disk may be done before it is looked at again.
    assert killed >= len(steps), f"only {killed} were killed in the middle"
    print(f"forget: {2 + 2 * len(steps)} machines, half with a folder and half with an object store as mirror; {killed} killed in the middle of forgetting: 0 doubled, 0 forgotten by mistake, and the address nowhere in the mirror")


if __name__ == "__main__":
    main()
