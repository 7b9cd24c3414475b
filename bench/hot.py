"""Puts divan's table into a page, with date, commit and machine; see hot.sh."""

import datetime
import pathlib
import subprocess
import sys

from send import machine, replace


def main():
    lines = pathlib.Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()
    begins = next(at for at, line in enumerate(lines) if line.startswith("hot "))
    tables = [line.rstrip() for line in lines[begins:] if line.strip()]
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    text = f"{datetime.date.today()}, commit {commit}; {machine()}.\n\n```text\n" + "\n".join(tables) + "\n```"
    print(text)
    if sys.argv[2] != "-":
        replace(sys.argv[2], "hot", text)


if __name__ == "__main__":
    main()
