"""Backend for many machines: each run is a Ray task and writes its results to a folder that all nodes share."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Any

from ncvqvae.bench.job import Outcome, Run, carry_out, failed
from ncvqvae.errors import InputError
from ncvqvae.registry import PLUGINS


class RayBackend:
    """Carries out runs as Ray tasks; if a node dies, its runs continue on another node from their checkpoints.

    Args:
        address: address of an existing cluster (``auto``, ``host:port``, ``ray://…``); None starts Ray on this machine.
        cpus: cores that each run takes.
        gpus: GPUs that each run takes; a fraction lets several runs share one.
        task: function that carries out a run.
        max_retries: how often a run is started again after the death of its node or process.

    Raises:
        InputError: if Ray is not installed, or no cluster answers at ``address``.
    """

    slots = 100_000  # Ray queues what does not fit at once

    def __init__(
        self,
        address: str | None = None,
        *,
        cpus: float = 1,
        gpus: float = 0,
        task: Callable[[Run], Outcome] = carry_out,
        max_retries: int = 5,
    ) -> None:
        try:
            import ray
        except ModuleNotFoundError:
            raise InputError("ray is not installed; pip install 'ncvqvae[ray]', or use --backend local") from None
        self.ray = ray
        self.owns_cluster = not ray.is_initialized()
        if self.owns_cluster:
            _check_answers(address)
            try:
                ray.init(address=address, log_to_driver=False, configure_logging=False, include_dashboard=None)
            except (ConnectionError, ValueError) as error:
                reason = " ".join(str(error).split())[:200]
                raise InputError(f"no Ray cluster at address {address!r}: {reason}; check --address") from None
        plugins = {name: os.environ[name] for name in (PLUGINS,) if name in os.environ}
        self.task = ray.remote(task).options(
            num_cpus=cpus, num_gpus=gpus, max_retries=max_retries, runtime_env={"env_vars": plugins}
        )
        self.at_work: dict[Any, Run] = {}

    def start(self, run: Run) -> None:
        """Hand ``run`` to the cluster."""
        self.at_work[self.task.remote(run)] = run

    def finished(self, timeout: float) -> list[Outcome]:
        """Runs that ended; waits at most ``timeout`` seconds for one."""
        if not self.at_work:
            return []
        ready, _ = self.ray.wait(list(self.at_work), num_returns=1, timeout=timeout)
        return [self._outcome(reference) for reference in ready]

    def close(self) -> None:
        """Cancel the unfinished runs and leave the cluster; these runs can be continued later."""
        for reference in self.at_work:
            self.ray.cancel(reference, force=True)
        if self.owns_cluster:
            self.ray.shutdown()

    def _outcome(self, reference: Any) -> Outcome:
        run = self.at_work.pop(reference)
        try:
            outcome: Outcome = self.ray.get(reference)
        except self.ray.exceptions.RayError as error:
            cause = getattr(error, "cause", None) or error
            return failed(run, f"{type(cause).__name__}: {cause}".splitlines()[0], str(error))
        return outcome


def _check_answers(address: str | None) -> None:
    """Fail within seconds if nothing listens at ``host:port``; Ray itself tries for minutes."""
    host, _, port = (address or "").removeprefix("ray://").rpartition(":")
    if not port.isdigit():
        return
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except OSError as error:
        raise InputError(f"no Ray cluster at address {address}: {error.strerror or error}; check --address") from None
