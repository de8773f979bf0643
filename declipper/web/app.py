"""What is answered to which request. Every address begins with a token, so that only who was told it can ask."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from declipper.clipping.levels import Threshold
from declipper.engine.session import SHIPPED
from declipper.terminal.console import complain_of_bug
from declipper.web.front import front
from declipper.web.guard import guarded
from declipper.web.jobs import Job, Jobs, TooMany
from declipper.web.work import PAGE, RESTORED, Inspection, inspect, restore

SWEEP_SECONDS = 10.0
"""Between two looks for closed tabs."""
LOWEST_DBFS, HIGHEST_DBFS = -60.0, 6.0
"""Between these a threshold may lie."""


LONGEST_ORDER = 1000
"""Bytes of what is asked for with a recording; it takes fifty."""


@dataclass(frozen=True)
class Rules:
    """Of one server. host: the name by which it is called; token: that begins every address; largest: bytes of an upload."""

    host: str
    token: str
    largest: int


def application(jobs: Jobs, rules: Rules) -> ASGIApp:
    """The application; while it runs, jobs whose tabs are closed are removed."""

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        sweeping = asyncio.create_task(_sweep(jobs))
        try:
            yield
        finally:
            sweeping.cancel()

    async def page(_request: Request) -> Response:
        return HTMLResponse(front(largest=rules.largest, qualities=SHIPPED))

    async def upload(request: Request) -> Response:
        told = request.headers.get("content-length", "")
        if told.isdecimal() and int(told) > rules.largest:
            raise _too_large(rules)
        try:
            job = jobs.new(request.query_params.get("name", ""))
        except TooMany:
            raise HTTPException(503, "too many recordings are under way; close a tab first") from None
        try:
            await _receive(request, job, rules)
        except BaseException:
            jobs.remove(job)
            raise
        jobs.start(job, "inspecting", "inspected", inspect, job.folder, job.name)
        return JSONResponse({"key": job.key}, 201)

    async def begin(request: Request) -> Response:
        job = _job(jobs, request)
        if job.busy or job.result is None:
            raise HTTPException(409, "something is being done with it already")
        quality, threshold = _order(await _body(request))
        jobs.start(job, "restoring", "restored", restore, job.folder, job.name, job.restored_name, quality, threshold)
        return Response(status_code=202)

    async def remove(request: Request) -> Response:
        jobs.remove(_job(jobs, request))
        return Response(status_code=204)

    def file(name: str, shown: Callable[[Job], str | None]) -> Callable[[Request], Any]:
        async def answer(request: Request) -> Response:
            job = _job(jobs, request)
            if job.state != "restored":
                raise HTTPException(404)
            return FileResponse(job.folder / name, filename=shown(job))

        return answer

    async def status(request: Request) -> Response:
        return JSONResponse(_status(_job(jobs, request)))

    routes = [
        Route("/", page),
        Route("/jobs", upload, methods=["PUT"]),
        Route("/jobs/{key}", status),
        Route("/jobs/{key}", remove, methods=["DELETE"]),
        Route("/jobs/{key}/restore", begin, methods=["POST"]),
        Route("/jobs/{key}/page", file(PAGE, lambda job: None)),
        Route("/jobs/{key}/restored", file(RESTORED, lambda job: job.restored_name)),
    ]
    errors: Any = {HTTPException: _told, Exception: _bug}
    return guarded(Starlette(routes=[Mount(f"/{rules.token}", routes=routes)], lifespan=lifespan, exception_handlers=errors), rules.host)


async def _sweep(jobs: Jobs) -> None:
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        jobs.forget_closed()


def _job(jobs: Jobs, request: Request) -> Job:
    job = jobs.find(request.path_params["key"])
    if job is None:
        raise HTTPException(404, "there is no such recording any more; drop it once again")
    return job


async def _receive(request: Request, job: Job, rules: Rules) -> None:
    """Write an upload to the disk as it comes. Raises HTTPException where it is too large, breaks off, or the disk is full."""
    size = 0
    try:
        with job.recording.open("wb") as file:
            async for piece in request.stream():
                size += len(piece)
                if size > rules.largest:
                    raise _too_large(rules)
                file.write(piece)
    except ClientDisconnect:
        raise HTTPException(400, "the upload broke off") from None
    except OSError as error:
        raise HTTPException(507, f"the recording could not be kept ({error.strerror}); free some room") from error


def _too_large(rules: Rules) -> HTTPException:
    return HTTPException(413, f"recordings of up to {rules.largest / 1e6:.0f} MB are taken; use the command line, or serve --max-size")


async def _body(request: Request) -> bytes:
    """What comes with a request, up to LONGEST_ORDER; the rest is not read."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > LONGEST_ORDER:
            break
    return body[:LONGEST_ORDER]


def _order(body: bytes) -> tuple[str, Threshold | None]:
    """Quality and threshold of what a browser asks for. Raises HTTPException for what is not in order."""
    try:
        asked = json.loads(body)
        quality, dbfs = asked["quality"], asked["threshold"]
        if quality not in SHIPPED or not (dbfs is None or LOWEST_DBFS <= float(dbfs) <= HIGHEST_DBFS):
            raise ValueError  # noqa: TRY301
        return quality, None if dbfs is None else Threshold.at_dbfs(float(dbfs))
    except (KeyError, TypeError, ValueError, RecursionError):
        raise HTTPException(400, "this is no order for a restoration") from None


def _status(job: Job) -> dict[str, Any]:
    """What a tab wants to know of its job."""
    told: dict[str, Any] = {"state": job.state, "name": job.name, "error": job.error}
    if job.busy:
        return told | job.progress()
    return told | {"result": asdict(job.result) if isinstance(job.result, Inspection) else job.result}


async def _told(_request: Request, error: Exception) -> Response:
    """An error as JSON."""
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code)


async def _bug(_request: Request, error: Exception) -> Response:
    """An error that nobody foresaw: a line for whoever started the server."""
    complain_of_bug(error)
    return JSONResponse({"error": "the server failed unexpectedly; it says how where it was started"}, 500)
