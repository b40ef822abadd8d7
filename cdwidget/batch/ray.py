"""Workers as actors of Ray, on this machine or all over a cluster: a stream of `ray.data`."""

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

from cdwidget.batch.jobs import Job, Outcome, attempt
from cdwidget.catalogue import Catalogue, CatalogueItem

READ = 64  # items that are read from the catalogue at once
STORE = 256 * 2**20  # bytes of shared memory for what is on its way, where Ray is started here; an item takes some KB
TRIES = 3  # to start Ray, which gives itself 30 seconds: too few where others keep the machine busy
TIMES = 2  # that an item is begun
START = 600  # seconds that the workers have to load the model
CLIENT = "ray://"
Batch = dict[str, np.ndarray]


def run_on_ray(
    job: Job, catalogue: Catalogue, ids: np.ndarray, workers: int, address: str | None
) -> Generator[tuple[CatalogueItem, Outcome], Any, None]:
    """Yield the items with their outcomes, as they come.

    Items are read on this machine, where the catalogue is; images by the workers: on a cluster, all machines must see them in the same
    place. Raises ModuleNotFoundError without Ray, ValueError for an address that this machine is no node of, ConnectionError when nobody
    answers there.
    """
    with _started(address, workers):
        for row in _stream(job, catalogue, ids, min(workers, len(ids))).iter_rows():
            outcome = pickle.loads(row["outcome"])
            if isinstance(outcome, Exception):  # a worker could not start
                raise outcome
            item: CatalogueItem = pickle.loads(row["item"])
            yield item, outcome


def _stream(job: Job, catalogue: Catalogue, ids: np.ndarray, workers: int) -> Any:
    """The dataset whose rows are the outcomes."""
    import ray

    machines = ray.cluster_resources()
    source = ray.data.from_items(ids.tolist(), override_num_blocks=-(-len(ids) // READ))
    settings = source.context  # its own, and of what is made of it
    settings.enable_progress_bars = False
    settings.target_max_block_size = 1  # a row is sent on as soon as it is there, not with some thousand others
    settings.wait_for_min_actors_s = START
    items = source.map_batches(
        _Reader(catalogue), batch_size=READ, num_cpus=0, label_selector={"ray.io/node-id": ray.get_runtime_context().get_node_id()}
    )
    return items.map_batches(
        _Actor,
        fn_constructor_args=(ray.cloudpickle.dumps(job), sys.path, ray.remote(num_cpus=0)(_Begun).remote()),
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(size=workers),
        num_cpus=max(1, int(machines.get("CPU", 0)) // workers),  # numeric libraries get as many threads
        num_gpus=min(1, machines.get("GPU", 0) / workers) or None,
    )


class _Reader:
    """Ids become items."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue

    def __call__(self, batch: Batch) -> Batch:
        return {"item": _packed(*(self.catalogue.item(int(id)) for id in batch["item"]))}


class _Actor:
    """A worker: items become outcomes."""

    def __init__(self, job: bytes, path: list[str], begun: Any) -> None:
        """job: pickled, for a model's class may be in a module of the user's; path: where Python finds that."""
        self.begun = begun
        sys.path += [folder for folder in path if folder not in sys.path]
        cv2.setNumThreads(int(os.environ.get("OMP_NUM_THREADS", 1)))
        try:
            self.work = pickle.loads(job).start()
        except Exception as error:  # raised here, it would be tried again and again
            self.failure = error

    def __call__(self, batch: Batch) -> Batch:
        return {**batch, "outcome": _packed(*(self._outcome(pickle.loads(item)) for item in batch["item"]))}

    def _outcome(self, item: CatalogueItem) -> Outcome | Exception:
        import ray

        if not hasattr(self, "work"):
            return self.failure
        if ray.get(self.begun.count.remote(item.id)) > TIMES:  # Ray would begin it for ever
            return Outcome(error=f"the worker process died {TIMES} times while it was at it; Ray ends one when memory runs out")
        return attempt(self.work, item)


class _Begun:
    """How often each item was begun, by whichever worker: an actor, which outlives them."""

    def __init__(self) -> None:
        self.times: Counter[int] = Counter()

    def count(self, item: int) -> int:
        self.times[item] += 1
        return self.times[item]


def _packed(*values: Any) -> np.ndarray:
    return np.array([pickle.dumps(value) for value in values], object)


@contextmanager
def _started(address: str | None, workers: int) -> Iterator[None]:
    """Have Ray running: as it is, if it has been started before; else here or at an address, until the end."""
    if address is not None and address.startswith(CLIENT):
        raise ValueError(f"{address} is far away from the catalogue; run this on a machine of the cluster, with the address 'auto'")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent to anybody
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # else it warns of what ray.data itself does
    try:
        import ray
        import ray.data
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"backend 'ray' needs Ray ({error}): pip install 'cdwidget[ray]', or use backend='local'") from error
    log = logging.getLogger("ray.data")
    level, mine = log.level, not ray.is_initialized()
    log.setLevel(logging.ERROR)
    try:
        if mine:
            _init(address, workers)
        yield
    finally:
        log.setLevel(level)
        if mine:
            ray.shutdown()


def _init(address: str | None, workers: int) -> None:
    import ray

    here: dict[str, Any] = {"num_cpus": max(workers, os.cpu_count() or 1), "include_dashboard": False, "object_store_memory": STORE}
    for left in reversed(range(TRIES)):
        try:
            ray.init(address, log_to_driver=False, logging_level=logging.ERROR, **(here if address is None else {}))
            return
        except Exception as error:  # it has no kind of its own
            ray.shutdown()
            if not left or "timed out" not in str(error):
                raise
