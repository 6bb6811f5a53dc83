"""What deploy/ holds: checked by the programs it is for where they are here, and by rules where they are not."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from maskinfer.control.settings.passwords import hash_password
from maskinfer.control.settings.read import settings_from
from tests.conftest import ROOT
from tests.helpers.broker import Broker, listening, running_broker
from tests.helpers.waiting import wait_until

yaml = pytest.importorskip("yaml")
DEPLOY = ROOT / "deploy"
UNIT = DEPLOY / "systemd" / "maskinfer.service"
COMPOSE = DEPLOY / "docker" / "compose.yaml"


def unit(tmp_path: Path) -> Path:
    """The unit with a command that is on this machine."""
    text = UNIT.read_text()
    assert "/opt/maskinfer/bin/maskinfer" in text
    file = tmp_path / UNIT.name
    file.write_text(text.replace("/opt/maskinfer/bin/maskinfer", sys.executable))
    return file


def test_systemd_finds_no_fault_with_the_unit(tmp_path: Path) -> None:
    tool = needed("systemd-analyze")
    done = subprocess.run([tool, "verify", "--man=no", unit(tmp_path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_systemd_says_that_the_unit_is_not_exposed(tmp_path: Path) -> None:
    tool = needed("systemd-analyze")
    command = [tool, "security", "--offline=yes", "--no-pager", "--threshold=20", unit(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "unrecognized option" in done.stderr:
        pytest.skip("this systemd cannot look at a unit that is not installed")
    # Level 2.0 of 10 at most; services without hardening have 9.6.
    assert done.returncode == 0, done.stdout


def test_systemd_makes_the_user(tmp_path: Path) -> None:
    tool = needed("systemd-sysusers")
    (tmp_path / "etc").mkdir()
    command = [tool, f"--root={tmp_path}", str(DEPLOY / "systemd" / "maskinfer.sysusers.conf")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "maskinfer:" in (tmp_path / "etc" / "passwd").read_text()


def test_the_watchdog_and_the_reload_are_those_that_the_watch_knows() -> None:
    text = UNIT.read_text()
    assert re.search(r"^Type=notify$", text, re.M)
    assert re.search(r"^WatchdogSec=60$", text, re.M)
    assert re.search(r"^ExecReload=/bin/kill -HUP \$MAINPID$", text, re.M)


# ---- The container -----------------------------------------------------------------------------------------------


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions with their arguments."""
    text = re.sub(r"(?m)^#.*\n", "", (DEPLOY / "docker" / "Dockerfile").read_text())
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [(name, rest.strip()) for name, _, rest in (line.partition(" ") for line in lines if line.strip())]


def test_the_container_is_not_of_root_and_holds_what_it_needs_only() -> None:
    found = instructions()
    names = [name for name, _ in found]
    assert set(names) <= {
        *("ARG", "FROM", "WORKDIR", "COPY", "RUN", "ENV", "USER", "VOLUME", "EXPOSE", "STOPSIGNAL"),
        *("HEALTHCHECK", "ENTRYPOINT", "CMD"),
    }
    stages = [i for i, name in enumerate(names) if name == "FROM"]
    assert len(stages) == 2
    last = dict(found[stages[-1] :])
    user, _, group = last["USER"].partition(":")
    assert user.isdecimal()
    assert group.isdecimal()
    assert int(user) > 0
    # Everything after it runs as that user; before it nothing is started.
    assert names.index("USER") > max(i for i, name in enumerate(names) if name == "RUN")
    for name in ("ENTRYPOINT", "CMD", "VOLUME"):
        assert last[name].startswith("["), f"{name} is no list, so a shell would get the signals"
    assert "/healthz" in last["HEALTHCHECK"]
    copied = [shlex.split(rest) for name, rest in found[stages[-1] :] if name == "COPY"]
    assert copied == [["--from=build", "/opt/maskinfer", "/opt/maskinfer"]]


def test_the_container_s_base_has_a_version_and_packages_leave_no_lists() -> None:
    found = instructions()
    (base,) = (rest for name, rest in found if name == "ARG" and rest.startswith("PYTHON="))
    assert re.fullmatch(r"PYTHON=3\.\d+-slim-\w+", base)
    for name, rest in found:
        if name == "RUN" and "apt-get install" in rest:
            assert "--no-install-recommends" in rest
            assert "rm -rf /var/lib/apt/lists/*" in rest
        if name == "RUN" and "pip install" in rest:
            assert "--no-cache-dir" in rest
            assert "PIP_CONSTRAINT=constraints.txt" in rest
        assert name != "ADD"
        assert not re.search(r"(?i)(password|token|secret)=", rest)


def test_what_is_copied_into_the_container_is_there_and_not_ignored() -> None:
    ignore = (DEPLOY / "docker" / "Dockerfile.dockerignore").read_text().split()
    (sources,) = (rest.split()[:-1] for name, rest in instructions() if name == "COPY" and "pyproject" in rest)
    for source in [*sources, "maskinfer"]:
        assert (ROOT / source).exists()
        assert f"!{source}" in ignore
    assert ignore[0] == "*"


def test_the_extras_that_the_container_installs_are_there() -> None:
    import tomllib

    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert {"cpu", "gpu", "serve"} <= set(extras)


def compose() -> dict[str, Any]:
    made: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())
    return made


@pytest.mark.parametrize("name", ["maskinfer", "mosquitto", "prometheus", "grafana"])
def test_every_service_is_read_only_without_rights_and_reached_by_this_machine_only(name: str) -> None:
    service = compose()["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == "unless-stopped"
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert name == "maskinfer" or re.search(r":[\w.-]*\d", service["image"]), "a version of the image"


def test_everything_that_compose_names_is_there() -> None:
    found = compose()
    assert set(found) == {"name", "services", "secrets", "volumes"}
    known = {
        *("image", "build", "restart", "read_only", "tmpfs", "cap_drop", "security_opt", "stop_grace_period"),
        *("volumes", "environment", "secrets", "ports", "depends_on", "user", "command"),
    }
    for service in found["services"].values():
        assert set(service) <= known
        assert set(service.get("depends_on", ())) <= set(found["services"])
        assert set(service.get("secrets", ())) <= set(found["secrets"])
        for volume in service["volumes"]:
            place = volume.split(":")[0]
            if not place.startswith("."):
                assert place in found["volumes"]
            elif place != "./data":  # the data are the user's
                assert (COMPOSE.parent / place).exists(), place
    build = found["services"]["maskinfer"]["build"]
    assert (COMPOSE.parent / build["context"]).resolve() == ROOT
    assert (ROOT / build["dockerfile"]).is_file()
    gpu = yaml.safe_load((COMPOSE.parent / "compose.gpu.yaml").read_text())["services"]["maskinfer"]
    assert gpu["build"]["args"] == {"RUNTIME": "gpu"}


def test_the_settings_of_compose_are_valid_and_fit_it() -> None:
    environ = {"DOOR_URL": "rtsp://10.0.0.7/main", "DESK_PASSWORD_HASH": hash_password("correct horse")}
    services = compose()["services"]
    assert set(services["maskinfer"]["environment"]) == set(environ)
    settings = settings_from((COMPOSE.parent / "watch.toml").read_text(), "watch.toml", environ=environ)
    assert settings.mqtt is not None
    assert settings.mqtt.host in services
    assert settings.mqtt.password_file == f"/run/secrets/{services['maskinfer']['secrets'][0]}"
    assert settings.page.listen.endswith(":8600")
    prometheus = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
    (target,) = prometheus["scrape_configs"][0]["static_configs"][0]["targets"]
    assert target == f"maskinfer:{str(settings.metrics.listen).rpartition(':')[2]}"


def test_grafana_finds_its_data_source_and_the_dashboard() -> None:
    folder = DEPLOY / "grafana" / "provisioning"
    (source,) = yaml.safe_load((folder / "datasources" / "prometheus.yml").read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090"
    (provider,) = yaml.safe_load((folder / "dashboards" / "maskinfer.yml").read_text())["providers"]
    assert f"../grafana/dashboards:{provider['options']['path']}:ro" in compose()["services"]["grafana"]["volumes"]


def test_the_broker_of_compose_asks_for_a_password(tmp_path: Path) -> None:
    tool = needed("mosquitto_passwd")
    subprocess.run([tool, "-c", "-b", str(tmp_path / "passwords"), "maskinfer", "hunter22"], check=True)
    text = (COMPOSE.parent / "mosquitto" / "mosquitto.conf").read_text().replace("/mosquitto/config", str(tmp_path))
    lines = [line for line in text.splitlines() if not line.startswith(("listener", "persistence"))]
    with running_broker(tmp_path, *lines) as broker:
        with listening(broker, lambda client: client.username_pw_set("maskinfer", "hunter22")) as listener:
            listener.publish("a", "b")
            wait_until(lambda: listener.latest.get("a") == b"b")
        assert refused(broker)


def refused(broker: Broker) -> bool:
    """Whether the broker refuses somebody without a password."""
    paho = pytest.importorskip("paho.mqtt.client")
    client, said = paho.Client(paho.CallbackAPIVersion.VERSION2), []
    client.on_connect = lambda _c, _d, _f, reason, _p: said.append(reason.is_failure)
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    wait_until(lambda: said)
    client.disconnect()
    client.loop_stop()
    return bool(said[0])


def needed(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not installed")
    return found
