"""Renders the chart with Helm's own engine, and holds each object against the schemas of Kubernetes.

usage: render.py CHART CASES     sets of values, as YAML: name -> values
       render.py CHART --write DIRECTORY

The first prints JSON: for each set the objects and what is wrong with them, or why the values are refused. The second writes the
files for kustomize. tests/cluster/chart.rs calls both, and `make generate` the second.
"""

import json
import pathlib
import sys

import helm_python as helm
import kubernetes_validate as schemas
import yaml

# The oldest and the newest version whose schemas are at hand; the chart needs 1.25.
VERSIONS = ["1.25", "1.37"]


class Readable(yaml.SafeDumper):
    """Writes texts of several lines as they are."""


def as_it_is(dumper, text):
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


Readable.add_representer(str, as_it_is)


def objects(manifests):
    """All objects, in the order of the files. NOTES.txt has none."""
    for name, text in sorted(manifests.items()):
        if name.endswith(".yaml"):
            yield from (document for document in yaml.safe_load_all(text) if document)


def node_jobs(document):
    """The Jobs for nodes that a ConfigMap holds, as the rollout makes them."""
    for key, text in (document.get("data") or {}).items():
        if document["kind"] == "ConfigMap" and key in ("install.json", "uninstall.json"):
            job = json.loads(text)
            job["metadata"]["name"] = "slot-0"
            job["spec"]["template"]["spec"]["nodeName"] = "node"
            yield job


def wrong_with(document):
    """What is wrong with an object, by the schemas of its kind. Those of the Prometheus operator are not at hand."""
    if document["kind"] == "PrometheusRule":
        alerts = yaml.safe_load(pathlib.Path(sys.argv[1], "files/alerts.yaml").read_text())
        if document["spec"] != alerts:
            yield "the alerts are not those of packaging/prometheus"
    if document["apiVersion"].startswith("monitoring.coreos.com/"):
        return
    for version in VERSIONS:
        try:
            schemas.validate(document, version, strict=True)
        except schemas.ValidationError as error:
            yield f"{version} {document['kind']} {document['metadata']['name']}: {error.message}"


def rendered(chart, values):
    release = values.pop("the name of the release", "cri-shunt")
    try:
        chart.validate_schema(values)
        found = list(objects(chart.render(values, name=release, namespace="cri-shunt")))
    except helm.HelmError as error:
        return {"refused": str(error)}
    jobs = [job for document in found for job in node_jobs(document)]
    wrong = [problem for document in found + jobs for problem in wrong_with(document)]
    return {"objects": found, "jobs": jobs, "wrong": wrong}


def kustomization(chart, directory):
    """Without Helm nobody runs hooks: the CronJob goes from node to node, and a Job of its own takes it out."""
    values = {"hooks": False, "metrics": {"podMonitor": {"enabled": False}}}
    head = "# Made from packaging/helm by `make generate`. Change it by patches of your own kustomization.\n"
    base = list(objects(chart.render(values, name="cri-shunt", namespace="cri-shunt")))
    hooked = objects(chart.render({}, name="cri-shunt", namespace="cri-shunt"))
    removal = [document for document in hooked if document["metadata"]["name"] == "cri-shunt-uninstall"]
    for document in base + removal:
        document["metadata"].pop("annotations", None)
        # It is not Helm that manages them. kustomize replaces namespaces.
        document["metadata"]["labels"].pop("app.kubernetes.io/managed-by")
    space = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": "cri-shunt",
            # The Jobs for nodes are root of the node.
            "labels": {"pod-security.kubernetes.io/enforce": "privileged"},
        },
    }
    files = {
        "base/kustomization.yaml": [{"namespace": "cri-shunt", "resources": ["cri-shunt.yaml"]}],
        "base/cri-shunt.yaml": [space, *base],
        "uninstall/kustomization.yaml": [{"namespace": "cri-shunt", "resources": ["uninstall.yaml"]}],
        "uninstall/uninstall.yaml": removal,
    }
    for name, documents in files.items():
        path = pathlib.Path(directory, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("kustomization.yaml"):
            kind = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
            documents = [{**kind, **document} for document in documents]
        path.write_text(head + yaml.dump_all(documents, Dumper=Readable, sort_keys=False, width=120))


def main():
    with helm.Chart.load(sys.argv[1]) as chart:
        if sys.argv[2] == "--write":
            kustomization(chart, sys.argv[3])
            return
        sets = yaml.safe_load(pathlib.Path(sys.argv[2]).read_text())
        answer = {name: rendered(chart, values or {}) for name, values in sets.items()}
        lint = helm.lint(sys.argv[1], {}, strict=True, quiet=True)
        answer["lint"] = [message["error"] for message in lint["messages"] if message["severity"] > 1] + lint["errors"]
        json.dump(answer, sys.stdout)


main()
