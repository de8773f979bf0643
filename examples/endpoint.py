"""Restore what is sent over HTTP: fastapi run endpoint.py, then curl --data-binary @song.wav localhost:8000/declip -o restored.wav."""

import io

import soundfile
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool

from declipper import Session, declip

LARGEST = 50_000_000  # bytes; whoever sends more gets an error

app = FastAPI()
session = Session("fast")  # loaded once; several threads may use it


@app.post("/declip")
async def restored(request: Request) -> Response:
    """A float WAV of the recording in the body of the request."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > LARGEST:
            raise HTTPException(413, f"at most {LARGEST} bytes")
    return Response(await run_in_threadpool(restore, bytes(body)), media_type="audio/wav")


def restore(recording: bytes) -> bytes:
    """The work, away from the loop that answers others meanwhile."""
    try:
        audio, sample_rate = soundfile.read(io.BytesIO(recording), always_2d=True)
    except soundfile.LibsndfileError as error:
        raise HTTPException(415, f"not audio that libsndfile reads: {error}") from error
    result = io.BytesIO()
    soundfile.write(result, declip(audio, sample_rate, session=session), sample_rate, format="WAV", subtype="FLOAT")
    return result.getvalue()
