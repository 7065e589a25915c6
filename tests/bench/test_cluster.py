"""The Ray backend on a real cluster of two nodes, one of which dies."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ncvqvae.bench.driver import run_bench
from ncvqvae.bench.job import Outcome, Run
from ncvqvae.bench.suites import ModelEntry, Suite
from ncvqvae.errors import InputError

ray = pytest.importorskip("ray")  # not built for every Python that we support


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    yield made
    ray.shutdown()
    made.shutdown()


def test_runs_of_a_node_that_dies_go_on_elsewhere(cluster: Any, tmp_path: Path) -> None:
    from ncvqvae.bench.cluster import RayBackend

    def task(run: Run) -> Outcome:
        node = ray.get_runtime_context().get_node_id()
        with (Path(run.out) / "log.txt").open("a") as log:
            log.write(f"{run.key} {node}\n")
        # what the second node has begun ends only with it, and no run ends before
        while node == doomed_id or not (Path(run.out) / "died").exists():
            time.sleep(0.1)
        if run.model == "raises":
            raise RuntimeError("no luck")
        return Outcome(run.key, "done", seconds=0.1)

    doomed = cluster.add_node(num_cpus=1)
    doomed_id = doomed.node_id
    cluster.wait_for_nodes()
    models = {name: ModelEntry(name, "quick", {}) for name in ("a", "raises")}
    runs = Suite({"A": {"data": "A"}}, models, [0, 1, 2]).runs(tmp_path)

    class Watching(RayBackend):
        """Takes the second node away once a run has begun on each."""

        def finished(self, timeout: float) -> list[Outcome]:
            log = tmp_path / "log.txt"
            nodes = {line.split()[1] for line in log.read_text().splitlines()} if log.exists() else set()
            if len(nodes) == 2 and not (tmp_path / "died").exists():
                cluster.remove_node(doomed, allow_graceful=False)
                (tmp_path / "died").touch()
            return super().finished(timeout)

    backend = Watching(cluster.address, task=task)
    schedule = run_bench(runs, backend)
    assert {run.model for run in schedule.in_state("done")} == {"a"} and schedule.count("done") == 3
    assert {run.model for run in schedule.in_state("failed")} == {"raises"}
    assert "RuntimeError: no luck" in (tmp_path / "A/raises/0/failed.txt").read_text()
    begun = [line.split()[0] for line in (tmp_path / "log.txt").read_text().splitlines()]
    assert len(begun) > len(set(begun))  # the run of the dead node began twice
    assert set(begun) == {run.key for run in runs}


def test_an_address_where_nothing_listens_is_said_at_once() -> None:
    from ncvqvae.bench.cluster import RayBackend

    with pytest.raises(InputError, match="no Ray cluster at address 127"):
        RayBackend("127.0.0.1:1")
