"""The process of a local worker: it reads a run per line from stdin and writes an outcome per line to stdout."""

from __future__ import annotations

import faulthandler
import importlib
import json
import os
import queue
import sys
import threading
from dataclasses import asdict

from ncvqvae.bench.job import Run
from ncvqvae.threads import wait_briefly


def main(task: str) -> None:
    """Carry out ``task`` (``module:function``) for every run on stdin; end at once when stdin ends."""
    faulthandler.enable()
    wait_briefly()
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print must not mix with the answers
    module, function = task.split(":")
    carry_out = getattr(importlib.import_module(module), function)
    requests: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(requests,), daemon=True).start()
    while True:
        outcome = carry_out(Run(**json.loads(requests.get())))
        answers.write(json.dumps(asdict(outcome)) + "\n")


def _listen(requests: queue.SimpleQueue[str]) -> None:
    for line in sys.stdin:
        requests.put(line)
    os._exit(0)  # end of file: the bench ended or was killed, also in the middle of a run


if __name__ == "__main__":
    main(sys.argv[1])
