"""Results of work that is done elsewhere, in the order in which it was given."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

from declipper.workers.pool import Workers

Item = TypeVar("Item")
Result = TypeVar("Result")


class InOrder(Generic[Item, Result]):
    """A queue of items, each with tasks whose results it waits for.

    Workers go through the tasks of many items at once, while items leave in the order in which they came. How many are held is bounded, as
    `Workers.ahead` says, and by two where one has more tasks than that.

    >>> queue = InOrder(workers)
    >>> for window in windows:
    ...     queue.add(window, estimate, window.channels)
    ...     for done, estimates in queue.finished(): ...
    >>> for done, estimates in queue.rest(): ...
    """

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self._held: deque[tuple[Item, list[Future[Result]]]] = deque()
        self._weight = 0

    def add(self, item: Item, function: Callable[..., Result], arguments: Iterable[tuple[Any, ...]]) -> None:
        """Take in an item, for which `function` is called with each of the arguments."""
        self._held.append((item, [self._workers.submit(function, *each) for each in arguments]))
        self._weight += _weight(self._held[-1][1])

    def finished(self) -> Iterator[tuple[Item, list[Result]]]:
        """The items that are done, with their results; where too many are held, it waits for the first. Raises what a task raised."""
        while self._held and (self._is_first_done or (self._weight > self._workers.ahead and len(self._held) > 1)):
            yield self._first()

    def rest(self) -> Iterator[tuple[Item, list[Result]]]:
        """All items that are left."""
        while self._held:
            yield self._first()

    def cancel(self) -> None:
        """Forget the items, and the tasks that nobody has begun."""
        for _, tasks in self._held:
            for task in tasks:
                task.cancel()
        self._held.clear()

    @property
    def _is_first_done(self) -> bool:
        return all(task.done() for task in self._held[0][1])

    def _first(self) -> tuple[Item, list[Result]]:
        results = [task.result() for task in self._held[0][1]]
        item, tasks = self._held.popleft()
        self._weight -= _weight(tasks)
        return item, results


def _weight(tasks: list[Future[Any]]) -> int:
    """An item without tasks takes memory too."""
    return max(1, len(tasks))
