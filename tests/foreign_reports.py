"""SARIF against the schema of SARIF 2.1.0, and JUnit through a reader that nobody here wrote.

    python foreign_reports.py BINARY SCHEMA
"""

import json
import pathlib
import subprocess
import sys
import tempfile

import jsonschema
from junitparser import Failure, JUnitXml, Skipped

ZONE = """$ORIGIN exemple.fr.
@ 300 IN TXT "v=spf1 include:spf.brevo.com incldue:x -all"
@ 300 IN MX 1 mx
mx 300 IN A 192.0.2.1
_dmarc 300 IN TXT "v=DMARC1; p=reject; pct=50"
"""


def check(binary, folder, form):
    words = [binary, "domain", "check", "exemple.fr", "--provider", "ovh,brevo", "--zone", "exemple.zone", "--format", form]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 1, (done.returncode, done.stderr)
    return done.stdout


def sarif(binary, folder, schema):
    validator = jsonschema.Draft7Validator(schema)
    document = json.loads(check(binary, folder, "sarif"))
    errors = [f"{list(error.absolute_path)}: {error.message}" for error in validator.iter_errors(document)]
    assert not errors, errors
    # A check that cannot fail proves nothing.
    broken = json.loads(json.dumps(document))
    broken["runs"][0]["results"][0]["level"] = "fatal"
    assert list(validator.iter_errors(broken)), "the schema takes anything"
    lines = ZONE.splitlines()
    rules = {rule["id"] for rule in document["runs"][0]["tool"]["driver"]["rules"]}
    results = document["runs"][0]["results"]
    for result in results:
        place = result["locations"][0]["physicalLocation"]
        # A code host wants a relative address with slashes, and a line that exists.
        assert place["artifactLocation"]["uri"] == "exemple.zone", place
        assert 1 <= place["region"]["startLine"] <= len(lines), place
        assert result["ruleId"] in rules and result["message"]["text"]
    removed = next(result for result in results if result["ruleId"] == "DMARC-REMOVED")
    at = removed["locations"][0]["physicalLocation"]["region"]["startLine"]
    assert lines[at - 1].startswith("_dmarc"), at
    return len(results)


def junit(binary, folder):
    suites = JUnitXml.fromstring(check(binary, folder, "junit"))
    cases = [case for suite in suites for case in suite]
    count = lambda kind: sum(any(isinstance(one, kind) for one in case.result) for case in cases)
    suite = next(iter(suites))
    assert (suite.tests, suite.failures, suite.skipped) == (len(cases), count(Failure), count(Skipped))
    assert count(Failure) >= 2
    return len(cases)


def main():
    binary, schema = str(pathlib.Path(sys.argv[1]).resolve()), json.loads(pathlib.Path(sys.argv[2]).read_text())
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "exemple.zone").write_text(ZONE)
        results, cases = sarif(binary, folder, schema), junit(binary, folder)
    print(f"SARIF: {results} results valid by the schema of 2.1.0; JUnit: {cases} cases read by junitparser")


if __name__ == "__main__":
    main()
