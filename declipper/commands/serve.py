"""`declipper serve`: the program in a browser."""

from __future__ import annotations

import click

from declipper.commands.options import memory_of
from declipper.workers.machine import cores


@click.command()
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Address of this machine to listen on; others can ask only at another."
)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Usual: one that is free.")
@click.option(
    "--max-size", callback=memory_of, default="2G", show_default=True, metavar="SIZE", help="The largest recording that is taken."
)
@click.option("--open", "opens", is_flag=True, help="Open the address in a browser.")
@click.option("-j", "--jobs", type=click.IntRange(1), default=cores, help="Recordings worked on at once. Usual: one for each core.")
def serve(host: str, port: int, max_size: int, opens: bool, jobs: int) -> None:
    """Serve a page, to this machine alone, where recordings are dropped, inspected, restored, judged and taken.

    The address is printed; it has a token that nobody else knows. Recordings lie in a temporary folder until their tab is closed, or the
    server ends, with Ctrl-C.
    """
    try:
        from declipper.web.server import serve as serve_forever
    except ImportError as error:
        raise click.UsageError('serve needs more packages; pip install "declipper[web]"') from error

    def tell(address: str) -> None:
        click.echo(address)
        if opens:
            click.launch(address)

    if host in ("0.0.0.0", "::", ""):
        raise click.UsageError(f"--host {host!r} stands for every address; name the one by which others reach this machine")
    serve_forever(host, port, largest=max_size, workers=jobs, tell=tell)
