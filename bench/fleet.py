"""How much one journal on PostgreSQL carries: 1, 2 and 4 workers, alternating, median of several rounds.
Started by bench/fleet.sh, which starts the server. The receiver answers at once and counts."""

import datetime
import os
import pathlib
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests"))
import fleet  # noqa: E402
from send import machine, replace  # noqa: E402

RECIPIENTS = int(os.environ.get("RECIPIENTS", "1000"))
ROUNDS = int(os.environ.get("ROUNDS", "3"))
CONNECTIONS = int(os.environ.get("CONNECTIONS", "4"))


def once(workers):
    receiver = fleet.Receiver()
    office = fleet.Office(receiver)
    config = office.folder / "depeche.toml"
    config.write_text(config.read_text().replace("connections = 2", f"connections = {CONNECTIONS}").replace('lease = "3s"', 'lease = "30s"'))
    run = office.enqueue(RECIPIENTS)
    for _ in range(workers):
        office.work()
    end = time.time() + 600
    while len(receiver.seen) < RECIPIENTS and time.time() < end:
        time.sleep(0.05)
    moments = [moment for moment, _ in receiver.seen]
    office.over(run)
    office.close()
    assert max(receiver.copies().values()) == 1 and len(moments) == RECIPIENTS
    return RECIPIENTS / (max(moments) - min(moments))


if __name__ == "__main__":
    rates = {1: [], 2: [], 4: []}
    for _ in range(ROUNDS):
        for workers, measured in rates.items():
            measured.append(once(workers))
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    kind = pathlib.Path(fleet.DEPECHE).resolve().parent.name
    lines = [
        f"{datetime.date.today()}, commit {commit}, {kind} build; {machine()}, load {os.getloadavg()[0]:.1f} at the end.",
        f"{RECIPIENTS} recipients, {CONNECTIONS} connections for each worker; workers, PostgreSQL (over TLS, fsync on) and receiver on this one machine.",
        "",
        f"| workers | messages a second (median of {ROUNDS}) | all rounds |",
        "|---|---|---|",
    ]
    for workers, measured in rates.items():
        lines.append(f"| {workers} | {statistics.median(measured):.0f} | {', '.join(f'{rate:.0f}' for rate in measured)} |")
    print("\n".join(lines))
    if len(sys.argv) > 1 and sys.argv[1] != "-":
        replace(sys.argv[1], "fleet", "\n".join(lines))
