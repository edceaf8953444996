"""Prints the documents of a YAML file as JSON, with the data of Kubernetes' Secrets decoded."""

import base64
import json
import sys

import yaml

with open(sys.argv[1], encoding="utf-8") as file:
    documents = list(yaml.safe_load_all(file))
for document in documents:
    if document.get("kind") == "Secret":
        data = document.get("data", {})
        document["data"] = {name: base64.b64decode(value).decode() for name, value in data.items()}
json.dump(documents, sys.stdout)
