"""Sends valid and invalid HTTP/2 to a server, and checks what it does (RFC 9113, RFC 7541).

usage: conformance.py gateway|order ADDRESS [PART OF A NAME]

Prints a line for each case; the exit status is 1 if one is wrong.
"""

import json
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor

from cases import Gateway, Grpc
from compression import compression_cases
from floods import flood_cases
from frames import frame_cases
from messages import USER, message_cases
from streams import stream_cases

PARALLEL = 16


def outcome(target, case):
    """The number of orders placed, and what is wrong or None."""
    try:
        return case.run(target), None
    except Exception as error:  # Every case has its line.
        return 0, f"{type(error).__name__}: {error}"


def orders(address):
    """The number of orders of all cases."""
    with urllib.request.urlopen(f"http://{address}/orders?user_id={USER}&page_size=1000") as response:
        return len(json.load(response)["orders"])


def main(kind, address, part=""):
    target = {"gateway": Gateway, "order": Grpc}[kind](address)
    cases = frame_cases(target) + stream_cases(target) + compression_cases(target) + flood_cases(target)
    if kind == "gateway":
        cases += message_cases(target)
        before = orders(address)
    cases = [case for case in cases if part in case.name]
    with ThreadPoolExecutor(PARALLEL) as workers:
        outcomes = list(workers.map(lambda case: outcome(target, case), cases))
    for case, (_, wrong) in zip(cases, outcomes):
        print(f"{'WRONG' if wrong else 'right'} {case.rule} {case.name}" + (f": {wrong}" if wrong else ""))
    failed = sum(1 for _, wrong in outcomes if wrong)
    print(f"{len(cases)} cases, {failed} wrong")
    if kind == "gateway" and not failed:
        placed, saved = sum(placed for placed, _ in outcomes), orders(address) - before
        assert saved == placed, f"{saved} orders after {placed} responses 201"
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
