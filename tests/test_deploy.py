"""What lies under deploy/: as far as it can be proved without a container engine."""

import base64
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import tomllib
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import yaml

from mlflow_lime.cli import main
from mlflow_lime.registration.plans import read_plans

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
COMPOSE = (DEPLOY / "docker-compose.yaml").read_text()
VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))


def example():
    """Return the settings of .env.example."""
    lines = (DEPLOY / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def composed():
    """Return the compose file with the settings of the example, put in as Compose does."""
    return settled(yaml.safe_load(COMPOSE), example())


def settled(value, known):
    if isinstance(value, dict):
        return {key: settled(inner, known) for key, inner in value.items()}
    if isinstance(value, list):
        return [settled(inner, known) for inner in value]
    if not isinstance(value, str):
        return value
    return VARIABLE.sub(lambda found: known.get(found[1], found[2] or ""), value)


def services():
    return composed()["services"]


def stages():
    """Return the instructions of each stage of the Dockerfile, by its name."""
    text = re.sub(r"\\\n\s*", " ", (DEPLOY / "Dockerfile").read_text())
    found = {}
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        word, _, rest = line.partition(" ")
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            found[name] = [("FROM", base)]
        else:
            found[name].append((word, rest))
    return found


def inherited(name):
    """Return the instructions of a stage after those of the stages that it builds on."""
    own = stages()[name]
    base = own[0][1]
    return [*(inherited(base) if base in stages() else []), *own]


def last(name, word):
    return [rest for known, rest in inherited(name) if known == word][-1]


def unit(path):
    """Return the settings of a unit file: lists, because keys may repeat."""
    found = {}
    for line in path.read_text().splitlines():
        if line and line[0] not in "#[":
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def check_command(words):
    """Parse a command line as the command that it names does."""
    program, name, *arguments = words
    assert program == "mlflow-lime"
    context = main.commands[name].make_context(name, arguments)
    context.close()
    return context.params


def check_probe(test, port):
    """Check a health check that asks a port with Python."""
    *start, code = test
    assert start[-2:] == ["python", "-c"]
    compile(code, "probe", "exec")
    assert f"http://127.0.0.1:{port}/health" in code
    return code


# docker-compose.yaml


def test_every_variable_has_a_default_and_stands_in_the_example_with_it():
    used = dict(VARIABLE.findall(COMPOSE))
    assert used == example()
    assert COMPOSE.count("${") == len(VARIABLE.findall(COMPOSE))


def test_no_image_is_the_latest_and_none_is_privileged():
    for name, service in services().items():
        image, _, tag = service["image"].rpartition(":")
        assert image, name
        assert re.match(r"\d+", tag), name
        assert not service.keys() & {"privileged", "network_mode", "pid", "ipc", "cap_add"}
        assert "no-new-privileges:true" in service["security_opt"]
        assert service["restart"] == "unless-stopped"
        if name != "postgres":
            assert service["read_only"] is True
            assert service["cap_drop"] == ["ALL"]
            assert service["mem_limit"]
        assert "docker.sock" not in str(service)


def test_what_a_service_refers_to_exists():
    whole = composed()
    for name, service in whole["services"].items():
        assert set(service["networks"]) <= set(whole["networks"]), name
        assert set(service.get("secrets", ())) <= set(whole["secrets"]), name
        for needed, how in service.get("depends_on", {}).items():
            assert how == {"condition": "service_healthy"}
            assert "healthcheck" in whole["services"][needed]
        for mount in service["volumes"]:
            source = mount.partition(":")[0]
            assert source in whole["volumes"] or (DEPLOY / source).is_file(), mount
    mounted = {m.partition(":")[0] for s in whole["services"].values() for m in s["volumes"]}
    assert set(whole["volumes"]) <= mounted
    asked = {name for s in whole["services"].values() for name in s.get("secrets", ())}
    assert asked == set(whole["secrets"])


def test_the_database_is_reached_by_the_tracking_server_alone():
    whole = composed()
    assert whole["networks"]["database"] == {"internal": True}
    inside = {name for name, s in whole["services"].items() if "database" in s["networks"]}
    assert inside == {"postgres", "mlflow"}
    published = {name: s["ports"] for name, s in whole["services"].items() if "ports" in s}
    assert published == {"mlflow": ["127.0.0.1:5000:5000"]}


def test_no_secret_stands_in_the_files():
    whole = composed()
    for service in whole["services"].values():
        for key, value in service.get("environment", {}).items():
            secret = re.search("PASSWORD|SECRET|KEY|TOKEN", key)
            assert not secret or str(value).startswith("/run/secrets/"), key
        assert "password" not in str(service.get("command", "")).lower()
    for named in whole["secrets"].values():
        path = DEPLOY / named["file"]
        assert path.parent == DEPLOY / "secrets"
    assert (DEPLOY / "secrets" / ".gitignore").read_text() == "*\n!.gitignore\n"


@pytest.mark.parametrize("name", ["watch", "worker", "serve"])
def test_our_services_run_command_lines_that_we_accept(name):
    service = services()[name]
    assert service["command"][1] == name
    params = check_command(service["command"])
    assert params["workers"] == (1 if name == "worker" else 0)
    assert service["environment"]["MLFLOW_TRACKING_URI"] == "http://mlflow:5000"
    (config,) = (m for m in service["volumes"] if m.endswith(":ro"))
    assert config.split(":")[1] == service["environment"]["MLFLOW_LIME_CONFIG"]


def test_the_watcher_the_receiver_and_the_workers_share_one_queue():
    mounts = {
        name: [m for m in services()[name]["volumes"] if m.startswith("lime:")]
        for name in ("watch", "worker", "serve")
    }
    assert set(map(tuple, mounts.values())) == {("lime:/var/lib/mlflow-lime",)}
    for stage in ("lime", "serve"):
        environment = " ".join(rest for word, rest in inherited(stage) if word == "ENV")
        assert "MLFLOW_LIME_QUEUE=/var/lib/mlflow-lime/queue.db" in environment
        assert "MLFLOW_LIME_HOME=/var/lib/mlflow-lime" in environment


def test_the_receiver_is_optional_and_takes_its_secret_from_a_file():
    serve = services()["serve"]
    assert serve["profiles"] == ["webhooks"]
    assert [n for n, s in services().items() if "profiles" in s] == ["serve"]
    path = serve["environment"]["MLFLOW_LIME_WEBHOOK_SECRET_FILE"]
    assert path == f"/run/secrets/{serve['secrets'][0]}"
    params = check_command(serve["command"])
    check_probe(serve["healthcheck"]["test"], params["port"])


def test_the_tracking_server_is_given_options_that_mlflow_has():
    from mlflow.cli import server

    service = services()["mlflow"]
    context = server.make_context("server", list(service["command"]))
    context.close()
    uri = context.params["backend_store_uri"]
    assert uri == "postgresql+psycopg2://mlflow@postgres:5432/mlflow"
    assert context.params["artifacts_destination"].startswith("/var/lib/mlflow/")
    assert "mlflow:/var/lib/mlflow" in service["volumes"]
    check_probe(service["healthcheck"]["test"], context.params["port"])
    database = services()["postgres"]["environment"]
    assert (database["POSTGRES_USER"], database["POSTGRES_DB"]) == ("mlflow", "mlflow")
    hosts = service["environment"]["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")
    assert "mlflow:5000" in hosts


def test_the_images_are_stages_of_the_dockerfile_that_take_the_arguments():
    for name, service in services().items():
        build = service.get("build")
        if build is None:
            assert name == "postgres"
            continue
        assert (DEPLOY / build["context"]).resolve() == ROOT
        assert ROOT / build["dockerfile"] == DEPLOY / "Dockerfile"
        taken = {r.partition("=")[0] for w, r in inherited(build["target"]) if w == "ARG"}
        assert set(build["args"]) == taken
        assert last(build["target"], "ARG").partition("=")[0] in taken


def test_compose_itself_accepts_the_file(tmp_path):
    for program in (["docker", "compose"], ["docker-compose"]):
        found = shutil.which(program[0])
        if found and not subprocess.run([*program, "version"], capture_output=True).returncode:
            break
    else:
        pytest.skip("Docker Compose is not installed")
    words = [*program, "--file", str(DEPLOY / "docker-compose.yaml"), "config", "--quiet"]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# Dockerfile


def test_no_image_runs_as_root():
    for name in ("lime", "serve", "server"):
        user = last(name, "USER")
        assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user), name


def test_the_dockerfile_copies_what_is_there_and_not_ignored():
    rules = (DEPLOY / "Dockerfile.dockerignore").read_text().split()
    assert rules[0] == "*"
    kept = {rule[1:] for rule in rules if rule.startswith("!")}
    copied = set()
    for instructions in stages().values():
        for word, rest in instructions:
            if word == "COPY" and "--from=" not in rest:
                *sources, _ = [part for part in rest.split() if not part.startswith("--")]
                copied |= {source.removeprefix("./") for source in sources}
    assert copied == kept
    assert all((ROOT / source).exists() for source in copied)


def test_every_base_image_has_a_version():
    for instructions in stages().values():
        base = instructions[0][1]
        assert base in stages() or re.search(r":\d+\.\d+", base), base
    python = (ROOT / "pyproject.toml").read_text()
    assert 'requires-python = ">=3.11"' in python
    assert "python:3.11-" in stages()["lime"][0][1]


def test_the_receivers_image_is_asked_whether_it_lives_where_it_listens():
    command = json.loads(last("serve", "CMD"))
    params = check_command(command)
    assert params["host"] == "0.0.0.0"
    options, _, probe = last("serve", "HEALTHCHECK").partition(" CMD ")
    assert "--start-period" in options
    check_probe(json.loads(probe), params["port"])
    assert last("serve", "EXPOSE") == str(params["port"])
    assert json.loads(last("lime", "CMD")) == ["mlflow-lime", "--help"]


def test_the_source_distribution_holds_what_is_deployed():
    built = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    assert "deploy" in built["targets"]["sdist"]["include"]


# The tracking server, for real


def make_secrets(folder):
    owner = f"{os.getuid()}:{os.getgid()}"
    subprocess.run(
        ["sh", DEPLOY / "make-secrets.sh", folder],
        env={**os.environ, "SECRETS_OWNER": owner, "SECRETS_MODE": "0600"},
        check=True,
    )
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_secrets_are_made_once_and_for_the_containers_alone(tmp_path):
    from mlflow_lime.registration.secrets import find_secrets

    made = make_secrets(tmp_path / "secrets")
    assert set(made) == set(composed()["secrets"])
    assert len(set(made.values())) == len(made)
    assert all(len(base64.urlsafe_b64decode(value)) == 32 for value in made.values())
    assert make_secrets(tmp_path / "secrets") == made
    path = tmp_path / "secrets" / "webhook_secret"
    assert find_secrets(path) == (made["webhook_secret"],)
    script = (DEPLOY / "make-secrets.sh").read_text()
    assert "SECRETS_OWNER:-root:10001" in script
    assert "SECRETS_MODE:-0640" in script


def answer(port, host, path="/api/2.0/mlflow/experiments/get?experiment_id=0"):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"Host": host})
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


@pytest.fixture
def tracking_server(tmp_path):
    """Start the tracking server as the container does, on sqlite and a port of the test's own."""
    secrets = make_secrets(tmp_path / "secrets")
    service = services()["mlflow"]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    changed = {
        "--host": "127.0.0.1",
        "--port": str(port),
        "--workers": "1",
        "--backend-store-uri": f"sqlite:///{tmp_path / 'store.db'}",
        "--artifacts-destination": str(tmp_path / "artifacts"),
    }
    assert {option.partition("=")[0] for option in service["command"]} == set(changed)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    inherited_environment = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")}
    process = subprocess.Popen(
        ["sh", DEPLOY / "tracking-server.sh", *(f"{k}={v}" for k, v in changed.items())],
        env={
            **inherited_environment,
            **service["environment"],
            "PATH": path,
            "SECRETS_FOLDER": str(tmp_path / "secrets"),
            "MLFLOW_DISABLE_TELEMETRY": "true",
        },
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process, port, secrets
    finally:
        os.killpg(process.pid, signal.SIGTERM)  # a session of its own
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def test_the_tracking_server_answers_the_containers_and_no_strange_host(tracking_server):
    process, port, secrets = tracking_server
    code = check_probe(services()["mlflow"]["healthcheck"]["test"], 5000)
    probe = [sys.executable, "-c", code.replace(":5000/", f":{port}/")]
    until = time.monotonic() + 300
    while subprocess.run(probe, capture_output=True).returncode:
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(1)
    assert answer(port, "mlflow:5000") == 200
    assert answer(port, "localhost:5000") == 200
    if "allowed_hosts" in _server_options():
        assert answer(port, "evil.example") == 403
    commands = Path(f"/proc/{process.pid}/cmdline")
    if commands.exists():
        assert not any(secret in commands.read_text() for secret in secrets.values())
        environment = Path(f"/proc/{process.pid}/environ").read_text()
        assert f"PGPASSWORD={secrets['postgres_password']}" in environment
        key = secrets["webhook_encryption_key"]
        assert f"MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY={key}" in environment


def _server_options():
    from mlflow.cli import server

    return {parameter.name for parameter in server.params}


# systemd


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_a_unit_is_confined(path):
    found = unit(path)
    assert {key: found[key][-1] for key in CONFINED} == CONFINED
    assert found["Restart"] == ["on-failure"]
    assert found["MemoryMax"]
    assert found["OOMPolicy"] == ["continue"], "one job's memory must not end the service"
    assert not [value for value in found["Environment"] if re.search("SECRET=|PASSWORD", value)]


CONFINED = {
    "CapabilityBoundingSet": "",
    "DynamicUser": "yes",
    "NoNewPrivileges": "yes",
    "PrivateDevices": "yes",
    "PrivateTmp": "yes",
    "ProtectHome": "yes",
    "ProtectSystem": "strict",
    "RestrictSUIDSGID": "yes",
    "StateDirectory": "mlflow-lime",
    "StateDirectoryMode": "0700",
    "SystemCallFilter": "@system-service",
    "UMask": "0077",
    "User": "mlflow-lime",
}


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_a_unit_runs_a_command_line_that_we_accept(path):
    (command,) = unit(path)["ExecStart"]
    program, *arguments = shlex.split(command)
    assert program == "/opt/mlflow-lime/bin/mlflow-lime"
    params = check_command(["mlflow-lime", *arguments])
    assert path.stem == f"mlflow-lime-{arguments[0]}"
    assert params["config_paths"] == ("/etc/mlflow-lime/lime.yaml",)


def test_the_receivers_unit_takes_its_secret_as_a_credential():
    found = unit(DEPLOY / "systemd" / "mlflow-lime-serve.service")
    (credential,) = found["LoadCredential"]
    name = credential.partition(":")[0]
    assert f"MLFLOW_LIME_WEBHOOK_SECRET_FILE=%d/{name}" in found["Environment"]


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_systemd_knows_every_setting_of_a_unit_and_finds_it_safe(path, tmp_path):
    copy = tmp_path / path.name
    copy.write_text(path.read_text().replace("/opt/mlflow-lime/bin/mlflow-lime", "/bin/true"))
    done = subprocess.run(["systemd-analyze", "verify", copy], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    words = ["systemd-analyze", "security", "--offline=true", "--threshold=25", copy]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-300:] + done.stderr


# The rest


def test_the_configuration_names_its_models():
    (plan,) = read_plans([DEPLOY / "lime.yaml"]).plans
    assert plan.config.models != "*"
    limit = plan.config.registration.max_memory
    assert limit < 6 * 2**30, "less than LIME_WORKER_MEMORY and MemoryMax"
    assert example()["LIME_WORKER_MEMORY"] == "6g"
    assert {unit(path)["MemoryMax"][0] for path in UNITS} == {"6G"}


def test_the_readme_names_every_file_and_command():
    text = (DEPLOY / "README.md").read_text()
    for path in DEPLOY.rglob("*"):
        ours = path.is_file() and path.name not in (".env", ".gitignore", "README.md")
        if ours and path.parent.name != "secrets":
            assert path.relative_to(DEPLOY).as_posix() in text, path
    for command in re.findall(r"(mlflow-lime webhook create \S+)", text):
        words = shlex.split(command)
        group = main.commands["webhook"]
        group.commands[words[2]].make_context(words[2], words[3:]).close()
    for command in re.findall(r"exec worker (mlflow-lime .*)", text):
        assert shlex.split(command)[1] in main.commands


@pytest.mark.parametrize("path", sorted(DEPLOY.glob("*.sh")), ids=lambda path: path.name)
def test_a_script_is_one_that_any_shell_reads(path):
    assert os.access(path, os.X_OK)
    done = subprocess.run(["sh", "-n", path], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
