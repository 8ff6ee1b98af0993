"""Airflow's home: a configuration written whole, keys made once, the database migrated once a version."""

from __future__ import annotations

import base64
import importlib.metadata
import json
import secrets
import sqlite3
import subprocess
from pathlib import Path

from cairn.errors import CairnError
from cairn.settings import REPOSITORY, Settings
from infra.services import BIN, environment

# Everybody on 127.0.0.1 is an administrator: the API listens nowhere else.
# One process of each kind and four task slots: the default of 32 idle workers costs gigabytes.
CONFIG = """\
[core]
dags_folder = {dags}
plugins_folder = {home}/plugins
executor = LocalExecutor
parallelism = 4
load_examples = False
default_timezone = {timezone}
dags_are_paused_at_creation = False
max_active_runs_per_dag = 1
simple_auth_manager_all_admins = True
hostname_callable = socket.gethostname
execution_api_server_url = http://127.0.0.1:{port}/execution/
fernet_key = {fernet_key}

[database]
sql_alchemy_conn = sqlite:///{home}/airflow.db

[api]
host = 127.0.0.1
port = {port}
base_url = http://127.0.0.1:{port}
workers = 1
secret_key = {secret_key}

[api_auth]
jwt_secret = {jwt_secret}

[scheduler]
catchup_by_default = False

[dag_processor]
parsing_processes = 1
min_file_process_interval = 60

[logging]
base_log_folder = {home}/logs
colored_console_log = False
"""


def _keys(folder: Path) -> dict[str, str]:
    path = folder / "keys.json"
    if not path.exists():
        keys = {
            "fernet_key": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "secret_key": secrets.token_urlsafe(32),
            "jwt_secret": secrets.token_urlsafe(64),
        }
        path.touch(mode=0o600)
        path.write_text(json.dumps(keys))
    loaded: dict[str, str] = json.loads(path.read_text())
    return loaded


def write_config(settings: Settings, port: int) -> Path:
    """Write ``home/airflow/airflow.cfg`` (readable by the owner only) for an API on ``port``; returns its path."""
    folder = settings.home / "airflow"
    folder.mkdir(parents=True, exist_ok=True)
    text = CONFIG.format(dags=REPOSITORY / "dags", home=folder, port=port, timezone=settings.timezone, **_keys(folder))
    path = folder / "airflow.cfg"
    path.touch(mode=0o600)
    path.write_text(text)
    return path


def prepare(settings: Settings, port: int, stack_id: str) -> None:
    """Write the configuration, and migrate the database where this version of Airflow has not yet done so.

    Raises CairnError with the log's place where the migration fails.
    """
    folder = write_config(settings, port).parent
    version = importlib.metadata.version("apache-airflow")
    stamp = folder / "migrated"
    if stamp.exists() and stamp.read_text() == version and (folder / "airflow.db").exists():
        return
    log = settings.logs_dir / "airflow-migrate.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        done = subprocess.run(
            [str(BIN / "airflow"), "db", "migrate"],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=environment(settings, stack_id),
            check=False,
        )
    if done.returncode != 0:
        raise CairnError(f"Airflow's database could not be migrated: see {log}")
    # Four processes share the file: with a write-ahead log readers do not wait for writers.
    with sqlite3.connect(folder / "airflow.db") as database:
        database.execute("PRAGMA journal_mode=WAL")
    stamp.write_text(version)
