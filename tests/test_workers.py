"""Worker processes: results and errors come back, a worker that dies costs no more than its work, and none outlives what started it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from declipper.errors import WorkerError
from declipper.workers import IN_PROCESS, Work, Workers, pool
from declipper.workers.in_order import InOrder
from declipper.workers.machine import ITSELF, bytes_of, cores, free_memory, jobs_within
from tests import tasks

MB = 1 << 20


def wait_for(condition: Callable[[], object]) -> None:
    """Long enough for a busy machine; what is never so fails the test."""
    for _ in range(2000):
        if condition():
            return
        time.sleep(0.01)
    pytest.fail("it never came")


@pytest.fixture(scope="module")
def two() -> Iterator[Workers]:
    with pool(2) as workers:
        yield workers


def test_results_and_errors_come_back(two: Workers) -> None:
    assert [two.submit(tasks.square, n).result() for n in range(5)] == [0, 1, 4, 9, 16]
    assert list(two.map(tasks.square, range(5))) == [0, 1, 4, 9, 16]
    with pytest.raises(ValueError, match="a reason") as raised:
        two.submit(tasks.fail, "a reason").result()
    assert "in fail" in raised.value.__notes__[0]


def test_linear_algebra_has_one_thread_in_a_worker(two: Workers) -> None:
    assert two.submit(tasks.threads).result() == "1"


def test_workers_have_none_of_their_own(two: Workers) -> None:
    assert tasks.has_workers()
    assert not two.submit(tasks.has_workers).result()


def test_what_cannot_be_sent_fails_alone(two: Workers) -> None:
    with pytest.raises(Exception, match="pickle"):
        two.submit(lambda: 1).result()
    assert two.submit(tasks.square, 3).result() == 9


@pytest.mark.parametrize(("out_of_memory", "how"), [(False, "ended with exit code 7"), (True, "ran out of memory")])
def test_the_work_of_a_worker_that_died_is_done_again(tmp_path: Path, out_of_memory: bool, how: str) -> None:
    said: list[str] = []
    with pool(2, tell=said.append) as workers:
        futures = [workers.submit(tasks.end, tmp_path / "marker", out_of_memory), *(workers.submit(tasks.square, n) for n in range(4))]
        assert [future.result() for future in futures] == ["done", 0, 1, 4, 9]
    assert len(said) == 1
    assert how in said[0]
    assert said[0].endswith("its work is done again")


def test_work_that_kills_every_worker_fails_and_nothing_else(two: Workers) -> None:
    deadly, harmless = two.submit(tasks.end, None), two.submit(tasks.square, 4)
    with pytest.warns(RuntimeWarning, match="done again"):
        error = deadly.exception()
    assert isinstance(error, WorkerError)
    assert "ended with exit code 7, as one before it did" in str(error)
    assert harmless.result() == 16


def test_leaving_by_an_error_interrupts_the_work_and_lets_it_tidy_up(tmp_path: Path) -> None:
    half_written, before = tmp_path / "half", psutil.Process().children()

    def leave() -> None:
        with pool(2) as workers:
            workers.submit(tasks.tidy, half_written)
            wait_for(half_written.exists)
            raise KeyError

    with pytest.raises(KeyError):
        leave()
    assert not half_written.exists()
    assert psutil.Process().children() == before


def test_workers_notice_that_the_process_that_started_them_was_killed(tmp_path: Path) -> None:
    half_written = tmp_path / "half"
    script = (
        f"from pathlib import Path; from declipper.workers import pool; from tests import tasks\n"
        f"with pool(2) as workers: workers.submit(tasks.tidy, Path({str(half_written)!r})).result()"
    )
    process = subprocess.Popen([sys.executable, "-c", script])
    wait_for(half_written.exists)
    workers = psutil.Process(process.pid).children()
    assert workers
    process.kill()
    process.wait()
    wait_for(lambda: not any(worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE for worker in workers))
    assert not half_written.exists()


def test_a_script_needs_no_guard(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("import math; from declipper.workers import pool\nwith pool(2) as w: print(w.submit(math.sqrt, 4).result())\n")
    assert subprocess.run([sys.executable, script], capture_output=True, text=True, check=True).stdout == "2.0\n"


def test_one_job_is_done_in_this_process() -> None:
    with pool(1) as workers:
        assert workers is IN_PROCESS
        assert workers.submit(lambda: 1).result() == 1
        with pytest.raises(ValueError, match="why"):
            workers.submit(tasks.fail, "why").result()
    with pytest.raises(ValueError, match="jobs must be 1 or more, got 0"):
        pool(0)


def test_short_work_and_little_memory_stay_in_this_process() -> None:
    with pool(4, memory=ITSELF + 900 * MB) as workers:
        assert workers.for_work(Work(1.0, 300 * MB)) is IN_PROCESS
        assert workers.for_work(Work(1000.0, 500 * MB)) is IN_PROCESS
        assert workers.for_work(Work(1000.0, 300 * MB)) is workers
        few = workers.ahead
        assert workers.for_work(Work(1.0, 100 * MB)) is workers, "those that run are used"
        assert workers.for_work(Work(1000.0, 100 * MB)) is workers
        assert workers.ahead == few * 4 // 3
        assert workers.for_work(Work(1000.0, 450 * MB)) is workers
        assert workers.ahead == few * 2 // 3


def test_fewer_jobs_where_memory_is_short() -> None:
    assert jobs_within(ITSELF + 1000, 8, each=100) == 8
    assert jobs_within(ITSELF + 399, 8, each=100) == 3
    assert jobs_within(0, 8, each=100) == 1


class Threads(Workers):
    """Two threads of this process."""

    ahead = 4

    def __init__(self) -> None:
        self.threads = ThreadPoolExecutor(2)

    def for_work(self, work: Work) -> Workers:
        return self

    def submit(self, function: Callable[..., int], /, *args: int, **kwargs: int) -> Future[int]:
        return self.threads.submit(function, *args, **kwargs)


@pytest.mark.parametrize("workers", [IN_PROCESS, Threads()])
def test_results_keep_their_order_and_few_items_are_held(workers: Workers) -> None:
    queue: InOrder[int, int] = InOrder(workers)
    done: list[tuple[int, list[int]]] = []
    for item in range(40):
        queue.add(item, tasks.late_first, [(item,)] * (item % 3 if item else 1))
        done += queue.finished()
        assert item + 1 - len(done) <= workers.ahead
    done += queue.rest()
    assert done == [(item, [item] * (item % 3 if item else 1)) for item in range(40)]


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("800M", 800 * MB),
        ("4G", 4096 * MB),
        ("1.5 GiB", 1536 * MB),
        ("2tb", 2 << 40),
        ("100", 100),
        ("-4G", None),
        ("4X", None),
        ("", None),
    ],
)
def test_sizes(text: str, size: int | None) -> None:
    assert bytes_of(text) == size


GROUPS = {
    "nothing": ({}, 1 << 60, 10**9),
    "version 2, in a service": (
        {
            "proc/self/cgroup": "0::/system.slice/declip.service\n",
            "sys/fs/cgroup/system.slice/declip.service/cpu.max": "max 100000",
            "sys/fs/cgroup/system.slice/declip.service/memory.max": "max",
            "sys/fs/cgroup/system.slice/cpu.max": "100000 100000",
            "sys/fs/cgroup/system.slice/memory.max": str(900 * MB),
            "sys/fs/cgroup/system.slice/memory.current": str(700 * MB),
            "sys/fs/cgroup/system.slice/memory.stat": f"anon 5\ninactive_file {100 * MB}\n",
        },
        300 * MB,
        1,
    ),
    "version 2, in a container": (
        {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "50000 100000", "sys/fs/cgroup/memory.max": str(64 * MB)},
        64 * MB,
        1,
    ),
    "version 1, in a container that sees the path outside": (
        {
            "proc/self/cgroup": "5:memory:/docker/1f\n4:cpu,cpuacct:/docker/1f\n1:name=systemd:/docker/1f\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "100000",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": str(500 * MB),
            "sys/fs/cgroup/memory/memory.usage_in_bytes": str(450 * MB),
            "sys/fs/cgroup/memory/memory.stat": f"total_inactive_file {50 * MB}\n",
        },
        100 * MB,
        1,
    ),
    "version 1, unlimited": (
        {
            "proc/self/cgroup": "5:memory:/\n4:cpu:/\n",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
            "sys/fs/cgroup/memory/memory.usage_in_bytes": str(450 * MB),
        },
        1 << 60,
        10**9,
    ),
}


@pytest.mark.parametrize("kind", GROUPS)
def test_limits_of_control_groups(kind: str, tmp_path: Path) -> None:
    files, memory, most = GROUPS[kind]
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    unlimited = cores(tmp_path / "elsewhere")
    assert unlimited >= 1
    assert cores(tmp_path) == min(unlimited, most)
    if memory < 1 << 60:
        assert free_memory(tmp_path) == memory
    else:
        assert free_memory(tmp_path) > 0
