"""Measures long contact lists and the start of depeche; see contacts.sh."""

import datetime
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

from send import built, depeche_project, machine, replace

TRUST = 40


def measured(command, ends=(0,)):
    """Seconds and the largest resident size, in MiB, of one command that ends in one of these ways."""
    # ru_maxrss of wait4(2) begins with what the parent held when it forked, so a small one stands between.
    launched = [sys.executable, "-I", "-S", str(pathlib.Path(__file__).with_name("launch.py")), *command]
    done = subprocess.run(launched, capture_output=True, text=True)
    code, seconds, kibibytes = done.stdout.split()
    assert int(code) in ends, done.stderr[-2000:]
    return float(seconds), int(kibibytes) / 1024


def write_list(path, count):
    with path.open("w", encoding="utf-8") as file:
        file.write("email,first_name,last_name,outlet\n")
        for number in range(count):
            file.write(f"j{number}@journal{number % 997}.example,Zoé{number},Lefèvre,Le Progrès\n")


def start_up(binary, folder):
    """Median milliseconds of starting, over many runs, alternating; what starting any program costs is told beside."""
    commands = {
        "`true`, a program that does nothing": ["true"],
        "`depeche --version`": [binary, "--version"],
        "`depeche status`": [binary, "-C", str(folder), "status"],
    }
    times = {name: [] for name in commands}
    for _ in range(TRUST):
        for name, words in commands.items():
            start = time.perf_counter()
            subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
            times[name].append((time.perf_counter() - start) * 1000)
    return [(name, sorted(spent)[TRUST // 2]) for name, spent in times.items()]


def main():
    write, sizes = sys.argv[1], [int(size) for size in sys.argv[2:]]
    binary = built()
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    lines = [f"{datetime.date.today()}, commit {commit}; {machine()}.", "", "| contacts | command | seconds | largest memory, MiB | microseconds a contact |", "|---|---|---|---|---|"]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        depeche_project(folder, 2525)
        (folder / "release.md").write_text("---\ntitle: \"L’usine rouvre\"\nlang: fr\ncity: Grenoble\n---\nBonjour {{ contact.first_name }},\n\nL’usine rouvre.\n", encoding="utf-8")
        started = start_up(binary, folder)
        for size in sizes:
            write_list(folder / "list.csv", size)
            shutil.rmtree(folder / ".depeche", ignore_errors=True)
            here = ["-C", str(folder)]
            # Nobody listens at the provider's port: the list is frozen, the provider is set aside, exit 4.
            commands = {
                "contacts check": (["contacts", "check", str(folder / "list.csv")], (0,)),
                "plan": ([*here, "plan", "release.md", "--to", "list.csv", "--json"], (0,)),
                "send": ([*here, "send", "release.md", "--to", "list.csv", "--confirm", str(size), "--no-wait", "--quiet"], (4,)),
                "status": ([*here, "status"], (4,)),
                "status --json": ([*here, "status", "--json"], (4,)),
                "report --csv --html": ([*here, "report", "--csv", "report.csv", "--html", "report.html", "--json"], (0,)),
            }
            for verb, (words, ends) in commands.items():
                spent, memory = measured([binary, *words], ends)
                lines.append(f"| {size} | `{verb}` | {spent:.2f} | {memory:.0f} | {spent / size * 1e6:.1f} |")
    lines += ["", "| start | median of 40, ms |", "|---|---|"]
    lines += [f"| {word} | {spent:.1f} |" for word, spent in started]
    table = "\n".join(lines)
    print(table)
    if write != "-":
        replace(write, "contacts", table)


if __name__ == "__main__":
    main()
