"""Workers as Ray actors, on this machine or a cluster, fed by a `ray.data` stream."""

from __future__ import annotations

import logging
import os
import pickle
import sys
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

import cv2
import numpy as np

from cdwidget.batch.jobs import Job, Outcome, process
from cdwidget.catalogue import Catalogue, CatalogueItem

READ_BATCH_ITEMS = 64  # items read from the catalogue at once
OBJECT_STORE_BYTES = 256 * 2**20  # shared memory of a Ray started here; one item takes a few kB
INIT_ATTEMPTS = 3  # Ray gives itself 30 s to start, which is too short on a busy machine.
MAX_STARTS = 2  # times that one item is started before it is given up
ACTOR_START_SECONDS = 600  # time for the workers to load the model
CLIENT_SCHEME = "ray://"
Batch = dict[str, np.ndarray]


def run_on_ray(
    job: Job, catalogue: Catalogue, ids: np.ndarray, workers: int, address: str | None
) -> Generator[tuple[CatalogueItem, Outcome], Any, None]:
    """Yield items with their outcomes as they finish.

    Items are read on this machine, which has the catalogue; images are read by the workers, so on a cluster every machine must see them
    under the same path.

    Raises:
        ModuleNotFoundError: If Ray is not installed.
        ValueError: If this machine is not a node of the cluster at `address`.
        ConnectionError: If there is no cluster at `address`.
    """
    with _running_ray(address, workers):
        for row in _stream(job, catalogue, ids, min(workers, len(ids))).iter_rows():
            outcome = pickle.loads(row["outcome"])
            if isinstance(outcome, Exception):  # A worker could not start.
                raise outcome
            item: CatalogueItem = pickle.loads(row["item"])
            yield item, outcome


def _stream(job: Job, catalogue: Catalogue, ids: np.ndarray, workers: int) -> Any:
    """Return the dataset whose rows are the outcomes."""
    import ray

    machines = ray.cluster_resources()
    source = ray.data.from_items(ids.tolist(), override_num_blocks=-(-len(ids) // READ_BATCH_ITEMS))
    settings = source.context  # Derived datasets share this context.
    settings.enable_progress_bars = False
    settings.target_max_block_size = 1  # Send each row as soon as it is finished.
    settings.wait_for_min_actors_s = ACTOR_START_SECONDS
    items = source.map_batches(
        _Reader(catalogue),
        batch_size=READ_BATCH_ITEMS,
        num_cpus=0,
        label_selector={"ray.io/node-id": ray.get_runtime_context().get_node_id()},
    )
    return items.map_batches(
        _Actor,
        fn_constructor_args=(ray.cloudpickle.dumps(job), sys.path, ray.remote(num_cpus=0)(_StartCounter).remote()),
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(size=workers),
        num_cpus=max(1, int(machines.get("CPU", 0)) // workers),  # Ray sets the threads of numeric libraries to this number.
        num_gpus=min(1, machines.get("GPU", 0) / workers) or None,
    )


class _Reader:
    """Map ids to items."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue

    def __call__(self, batch: Batch) -> Batch:
        return {"item": _pickled(*(self.catalogue.item(int(id)) for id in batch["item"]))}


class _Actor:
    """A worker: map items to outcomes."""

    def __init__(self, job: bytes, path: list[str], starts: Any) -> None:
        """Start the job.

        Args:
            job: The job, pickled, since its model's class may be in a module of the user.
            path: Module search path of the driver, where that module is found.
            starts: Actor that counts the starts of each item.
        """
        self.starts = starts
        sys.path += [folder for folder in path if folder not in sys.path]
        cv2.setNumThreads(int(os.environ.get("OMP_NUM_THREADS", 1)))
        try:
            self.worker = pickle.loads(job).start()
        except Exception as error:  # Ray would restart the actor forever if this raised.
            self.failure = error

    def __call__(self, batch: Batch) -> Batch:
        return {**batch, "outcome": _pickled(*(self._outcome(pickle.loads(item)) for item in batch["item"]))}

    def _outcome(self, item: CatalogueItem) -> Outcome | Exception:
        import ray

        if not hasattr(self, "worker"):
            return self.failure
        if ray.get(self.starts.count.remote(item.id)) > MAX_STARTS:  # Ray would restart it forever.
            return Outcome(
                error=f"the worker process died {MAX_STARTS} times while processing this item; Ray kills a worker when memory runs out"
            )
        return process(self.worker, item)


class _StartCounter:
    """Count the starts of each item by any worker; an actor, because it must outlive the workers."""

    def __init__(self) -> None:
        self.counts: Counter[int] = Counter()

    def count(self, item: int) -> int:
        self.counts[item] += 1
        return self.counts[item]


def _pickled(*values: Any) -> np.ndarray:
    return np.array([pickle.dumps(value) for value in values], object)


@contextmanager
def _running_ray(address: str | None, workers: int) -> Iterator[None]:
    """Use the running Ray, or start it here or connect to an address, and shut it down at the end."""
    if address is not None and address.startswith(CLIENT_SCHEME):
        raise ValueError(
            f"{address} is a remote client address, but the catalogue is local; run this on a machine of the cluster with address='auto'"
        )
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Send no usage statistics.
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # Suppress warnings about ray.data's own calls.
    try:
        import ray
        import ray.data
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"backend 'ray' needs Ray ({error}): pip install 'cdwidget[ray]', or use backend='local'") from error
    log = logging.getLogger("ray.data")
    level, starts_ray = log.level, not ray.is_initialized()
    log.setLevel(logging.ERROR)
    try:
        if starts_ray:
            _init(address, workers)
        yield
    finally:
        log.setLevel(level)
        if starts_ray:
            ray.shutdown()


def _init(address: str | None, workers: int) -> None:
    import ray

    here: dict[str, Any] = {
        "num_cpus": max(workers, os.cpu_count() or 1),
        "include_dashboard": False,
        "object_store_memory": OBJECT_STORE_BYTES,
    }
    for attempts_left in reversed(range(INIT_ATTEMPTS)):
        try:
            ray.init(address, log_to_driver=False, logging_level=logging.ERROR, **(here if address is None else {}))
            return
        except Exception as error:  # Ray raises no specific type.
            ray.shutdown()
            if not attempts_left or "timed out" not in str(error):
                raise
