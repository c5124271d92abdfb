#!/usr/bin/env python3
"""A worker: takes what is ready until nothing is left, gives signs of life, reports how each piece of work ended.

usage: worker.py NAME
"""
import json
import os
import subprocess
import sys
import threading

DRAINED, LOST = 9, 5


def phaselog(*args):
    return subprocess.run(["phaselog", "--json", *args], capture_output=True, text=True)


def claim(worker):
    """The next piece of work; None when nothing is left that can be done without a person."""
    # --pid: should this process die, its work is handed back at once.
    claimed = phaselog("claim", "--wait", "--worker", worker, "--pid", str(os.getpid()))
    if claimed.returncode == DRAINED:
        return None
    if claimed.returncode:
        sys.exit(claimed.stderr)
    return json.loads(claimed.stdout)


def beat(token, over):
    """A sign of life each minute; without one for 30 minutes the work goes to somebody else."""
    while not over.wait(60):
        phaselog("heartbeat", str(token))


def visit(item, phase):
    """The work: returns what it found out; what goes wrong it raises."""
    if "Mockup" in item:
        raise RuntimeError("the listing site said 404")
    print(f"looked at {phase} of {item}")
    return {phase: {"price": 650000, "score": 0.9}}


def main(worker):
    while job := claim(worker):
        over = threading.Event()
        threading.Thread(target=beat, args=(job["token"], over), daemon=True).start()
        try:
            found = visit(job["item"], job["phase"])
            # That the phase is done and what was found out are one record.
            report = ["complete", "--enrich", json.dumps(found)]
        except Exception as error:
            report = ["fail", "--error", str(error)]
        over.set()
        # The token is the right to report: if somebody else has the work by now, this is refused, and that is recorded.
        done = phaselog(*report, "--token", str(job["token"]), "--", job["item"], job["phase"])
        if done.returncode not in (0, LOST):
            sys.exit(done.stderr)


main(sys.argv[1])
