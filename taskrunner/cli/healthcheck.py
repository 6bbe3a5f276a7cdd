"""`taskrunner healthcheck`: asks a server of this machine how it is, for the health check of a container."""

import http.client
import ssl
from pathlib import Path

import click

from taskrunner.cli.command_group import Command
from taskrunner.cli.errors import FAILURE
from taskrunner.cli.options import config_option
from taskrunner.config import load
from taskrunner.config.endpoints import local_endpoint
from taskrunner.domain.backends.service_url import Place, shown_place
from taskrunner.domain.errors import ConfigInvalid, FieldError

# Seconds; less than the timeouts of the image and of docker-compose.yml.
_TIMEOUT = 4.0
# A consumer that is alive but does not consume is not healthy.
_PATHS = {"serve": "/livez", "all": "/livez", "consume": "/readyz"}


@click.command("healthcheck", cls=Command)
@config_option
@click.argument("process", type=click.Choice(list(_PATHS)), default="serve")
def healthcheck_command(config_path: Path | None, process: str) -> None:
    """Ask a running `serve` (the default), `consume` or `all` on this machine whether it is healthy.

    Follows Api.addr and Api.port, or Server.addr and Server.port for `consume`. Exits with 0 if healthy.
    """
    config = load(config_path)
    name, listener = ("Server", config.server) if process == "consume" else ("Api", config.api)
    if listener.port == 0:
        message = "0 means any free port, which a health check cannot know; set a port"
        raise ConfigInvalid([FieldError(field=f"{name}.port", message=message)])
    place = local_endpoint(listener.addr, listener.port)
    is_tls = process != "consume" and config.api.cert_file is not None
    answer = _answer(place, _PATHS[process], is_tls=is_tls)
    click.echo(f"{process} at {shown_place(place)}: {answer}")
    raise SystemExit(0 if answer == "ok" else FAILURE)


def _answer(place: Place, path: str, *, is_tls: bool) -> str:
    """`ok`, or what is wrong. Neither a proxy of the environment nor ~/.netrc is asked.

    The certificate is not checked: it is for the name that clients use, and this machine is asked by address.
    """
    if is_tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            *place, timeout=_TIMEOUT, context=context
        )
    else:
        connection = http.client.HTTPConnection(*place, timeout=_TIMEOUT)
    try:
        connection.request("GET", path)
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as exc:
        return getattr(exc, "strerror", None) or str(exc) or type(exc).__name__
    finally:
        connection.close()
    return "ok" if status == 200 else f"{path} answered {status}"
