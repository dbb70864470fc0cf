"""What runs elsewhere (compose, Kubernetes, systemd) cannot run here; its files are held against schemas.

The deployments of prefect.yaml are those that `whyrec up` offers, one by one.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import prefect
import pytest
import yaml
from jsonschema import Draft202012Validator
from prefect.cli.deploy._models import PrefectYamlModel

from flows.catalogue import list_offers
from tasks.platform.settings import ServeSettings
from tests.flows.conftest import ROOT

FOLDER = ROOT / "deployments"
COMPOSE = ("docker-compose",) if shutil.which("docker-compose") else ("docker", "compose")


def read_yaml(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((FOLDER / name).read_text()))


def test_prefect_yaml_is_understood_by_prefect() -> None:
    model = PrefectYamlModel(**read_yaml("prefect.yaml")[0])
    assert model.prefect_version == prefect.__version__
    assert len(model.deployments) == len(list_offers(ServeSettings()))


def test_prefect_yaml_offers_what_whyrec_up_offers() -> None:
    serve = ServeSettings()
    written = {one["name"]: one for one in read_yaml("prefect.yaml")[0]["deployments"]}
    for offer in list_offers(serve):
        one = written.pop(offer.name)
        assert one["description"] == offer.description
        assert one["tags"] == ["whyrec", *offer.tags]
        assert one["entrypoint"] == offer.entrypoint
        assert one["parameters"] == offer.parameters
        assert one.get("concurrency_limit", {}).get("limit") == offer.most
        crons = [(row["cron"], row["timezone"]) for row in one["schedules"]]
        assert crons == ([(offer.cron, serve.timezone)] if offer.cron else [])
    assert not written


@pytest.mark.parametrize("offer", list_offers(ServeSettings()), ids=lambda offer: offer.name)
def test_an_entry_point_names_the_flow_that_is_offered(offer: Any) -> None:
    path, _, name = offer.entrypoint.partition(":")
    assert Path(path).with_suffix("").as_posix().replace("/", ".") == offer.flow.fn.__module__
    assert name == offer.flow.fn.__name__


def test_every_parameter_has_a_title_and_a_sentence_and_no_default_that_moves() -> None:
    for offer in list_offers(ServeSettings()):
        schema = offer.flow.parameters.model_dump()
        for name, field in schema["properties"].items():
            assert field["title"] != name, (offer.name, name)
            assert field["title"][0].isupper()
            assert field["description"], (offer.name, name)
            assert ("default" in field) != (name in schema.get("required", [])), (offer.name, name)


def find_compose() -> list[str] | None:
    try:
        subprocess.run([*COMPOSE, "version"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return list(COMPOSE)


def test_the_compose_file_is_whole() -> None:
    compose = find_compose()
    if compose is None:
        pytest.skip("neither docker compose nor docker-compose is installed")
    environment = os.environ | {"POSTGRES_PASSWORD": "secret", "DROPS": "/srv/drops"}
    command = [*compose, "-f", str(FOLDER / "compose.yaml"), "config"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    services = yaml.safe_load(done.stdout)["services"]
    assert set(services) == {"database", "server", "deployments", "worker", "reports"}
    lasting = set(services) - {"deployments"}
    assert all("healthcheck" in services[name] for name in lasting)
    del environment["POSTGRES_PASSWORD"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert "set POSTGRES_PASSWORD" in done.stderr


def test_kubernetes_manifests_fit_the_schemas_of_kubernetes() -> None:
    validate = pytest.importorskip("kubernetes_validate")
    documents = read_yaml("kubernetes/whyrec.yaml")
    for document in documents:
        validate.validate(document, "1.31", strict=True)
    names = {(one["kind"], one["metadata"]["name"]) for one in documents}
    assert {("Deployment", "whyrec-server"), ("Deployment", "whyrec-worker")} <= names


def fill(template: Any, values: dict[str, Any]) -> Any:
    """A job template with its `{{ names }}` replaced, unset ones left out, as a worker does it."""
    if isinstance(template, dict):
        filled = {key: fill(value, values) for key, value in template.items()}
        return {key: value for key, value in filled.items() if value is not None}
    if isinstance(template, list):
        return [fill(one, values) for one in template]
    if isinstance(template, str) and (whole := re.fullmatch(r"{{ (\w+) }}", template)):
        return values.get(whole[1])
    if isinstance(template, str):
        return re.sub(r"{{ (\w+) }}", lambda m: str(values.get(m[1], "")), template)
    return template


def test_a_job_made_from_the_template_fits_the_schemas_of_kubernetes() -> None:
    validate = pytest.importorskip("kubernetes_validate")
    template = json.loads((FOLDER / "kubernetes" / "base-job-template.json").read_text())
    Draft202012Validator.check_schema(template["variables"])
    properties = template["variables"]["properties"]
    values = {name: field.get("default") for name, field in properties.items()}
    asked = set(re.findall(r"{{ (\w+) }}", json.dumps(template["job_configuration"])))
    assert asked <= set(properties)
    manifest = fill(
        template["job_configuration"]["job_manifest"],
        values | {"name": "night", "command": ["prefect", "flow-run", "execute"], "labels": {}},
    )
    container = manifest["spec"]["template"]["spec"]["containers"][0]
    container["env"] = [{"name": name, "value": value} for name, value in container["env"].items()]
    validate.validate(manifest, "1.31", strict=True)
    claims = [
        one["persistentVolumeClaim"]["claimName"]
        for one in manifest["spec"]["template"]["spec"]["volumes"]
        if "persistentVolumeClaim" in one
    ]
    known = {one["metadata"]["name"] for one in read_yaml("kubernetes/whyrec.yaml")}
    assert set(claims) <= known


@pytest.mark.parametrize("name", ["whyrec.service", "whyrec-worker.service"])
def test_systemd_understands_the_units(name: str, tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    text = (FOLDER / "systemd" / name).read_text()
    unit = tmp_path / name
    unit.write_text(re.sub(r"/opt/whyrec/\.venv/bin/\w+", sys.executable, text))
    done = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False
    )
    said = [line for line in done.stderr.splitlines() if name in line]
    assert not said, said


@pytest.mark.parametrize("name", ["whyrec.service", "whyrec-worker.service"])
def test_a_unit_keeps_converted_models_where_it_may_write(name: str) -> None:
    """Homes are closed to it (ProtectHome) and all else is read-only (ProtectSystem)."""
    lines = (FOLDER / "systemd" / name).read_text().splitlines()
    assert {"ProtectHome=yes", "ProtectSystem=strict", "CacheDirectory=whyrec"} <= set(lines)
    assert "Environment=XDG_CACHE_HOME=/var/cache/whyrec" in lines


def test_a_job_keeps_converted_models_for_the_next_one() -> None:
    template = json.loads((FOLDER / "kubernetes" / "base-job-template.json").read_text())
    container = template["job_configuration"]["job_manifest"]["spec"]["template"]["spec"][
        "containers"
    ][0]
    home = next(one["mountPath"] for one in container["volumeMounts"] if one["name"] == "home")
    kept = Path(template["variables"]["properties"]["env"]["default"]["XDG_CACHE_HOME"])
    assert kept.is_relative_to(home)


def test_the_image_and_the_compose_file_name_the_version_of_the_package() -> None:
    version = re.search(r'^version = "(.*)"', (ROOT / "pyproject.toml").read_text(), re.M)
    assert version is not None
    for name in ("compose.yaml", "kubernetes/whyrec.yaml", "Dockerfile"):
        assert f"whyrec:{version[1]}" in (FOLDER / name).read_text()
