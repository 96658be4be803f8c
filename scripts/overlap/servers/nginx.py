"""nginx: JSON documents from files, at once or after a while."""

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

from overlap.servers.items import ITEMS, document
from overlap.servers.server import LOOPBACK, Server, own_folder, start_on_chosen_port

PACKAGES = "nginx and libnginx-mod-http-echo"
PROGRAM = Path("/usr/sbin/nginx")
MODULE = Path("/usr/lib/nginx/modules/ngx_http_echo_module.so")
BACKLOG = 4096
# One process: there is no master whose end its workers could survive.
CONFIGURATION = """\
daemon off;
master_process off;
load_module {module};
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    default_type application/json;
    keepalive_requests 1000000000;
    keepalive_timeout 600s;
    open_file_cache max=2000;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen {address} backlog={backlog};
        root {folder}/documents;
        location ~ ^/after/([0-9.]+)(/.*)$ {{
            echo_sleep $1;
            echo_exec $2;
        }}
    }}
}}
"""
_SETTINGS = re.compile(
    r"^ *(worker_connections|master_process|keepalive_\w+|open_file_cache) (.+);"
)


def missing() -> str:
    """The packages that are needed; empty if they are here."""
    return "" if PROGRAM.exists() and MODULE.exists() else PACKAGES


def start(folder: Path) -> Server:
    server = Server("nginx", own_folder(folder), signal.SIGTERM)
    make_documents(folder / "documents")
    configuration = folder / "nginx.conf"

    def command_for(port: int) -> list[str | Path]:
        text = CONFIGURATION.format(
            module=MODULE, folder=folder, address=f"{LOOPBACK}:{port}", backlog=BACKLOG
        )
        configuration.write_text(text, encoding="utf-8")
        return [PROGRAM, "-c", configuration, "-p", folder, "-e", "stderr"]

    start_on_chosen_port(server, command_for)
    lines = configuration.read_text(encoding="utf-8").splitlines()
    server.settings = {"version": version()} | dict(
        found.groups() for line in lines if (found := _SETTINGS.match(line))
    )
    return server


def url(server: Server) -> str:
    return f"http://{LOOPBACK}:{server.port}"


def version() -> str:
    said = subprocess.run([PROGRAM, "-v"], capture_output=True, text=True, check=True)
    return said.stderr.strip().rpartition(" ")[2]


def make_documents(folder: Path) -> None:
    """Made once: a folder that is there is whole."""
    items = folder / "items"
    if items.exists():
        return
    unfinished = folder.with_name("documents.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    (unfinished / "items").mkdir(parents=True)
    for item in range(ITEMS):
        (unfinished / "items" / str(item)).write_text(document(item), encoding="utf-8")
    os.rename(unfinished, folder)
