//! Queries over the objects that kustomize has rendered.

use serde_json::{Map, Value};

/// All objects of an overlay.
pub(super) struct Manifests(Vec<Value>);

/// A Deployment, a StatefulSet or a Job.
#[derive(Clone, Copy)]
pub(super) struct Workload<'a>(&'a Value);

impl Manifests {
    pub(super) fn new(objects: Vec<Value>) -> Self {
        Self(objects)
    }

    pub(super) fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.0.iter().filter(move |object| object["kind"] == kind)
    }

    pub(super) fn has(&self, kind: &str, name: &str) -> bool {
        self.named(kind, name).is_some()
    }

    pub(super) fn named<'a>(&'a self, kind: &'a str, name: &str) -> Option<&'a Value> {
        self.of_kind(kind).find(|object| object["metadata"]["name"] == name)
    }

    pub(super) fn workloads(&self) -> impl Iterator<Item = Workload<'_>> {
        ["Deployment", "StatefulSet", "Job"].into_iter().flat_map(|kind| self.of_kind(kind)).map(Workload)
    }

    /// The workloads whose pods have the labels of `selector`; all where it has none.
    pub(super) fn selected<'a>(&'a self, selector: &'a Value) -> Vec<Workload<'a>> {
        self.workloads().filter(|workload| workload.matches(selector)).collect()
    }
}

impl<'a> Workload<'a> {
    pub(super) fn name(self) -> &'a str {
        self.0["metadata"]["name"].as_str().unwrap_or_default()
    }

    pub(super) fn is_job(self) -> bool {
        self.0["kind"] == "Job"
    }

    pub(super) fn spec(self) -> &'a Value {
        &self.0["spec"]
    }

    pub(super) fn pod(self) -> &'a Value {
        &self.0["spec"]["template"]["spec"]
    }

    /// The only container of the pod.
    pub(super) fn container(self) -> &'a Value {
        &self.pod()["containers"][0]
    }

    /// Whether this repository builds its image.
    pub(super) fn is_ours(self) -> bool {
        self.container()["image"].as_str().is_some_and(|image| image.contains("order-system/"))
    }

    pub(super) fn matches(self, selector: &Value) -> bool {
        let labels = &self.0["spec"]["template"]["metadata"]["labels"];
        entries(selector).all(|(name, value)| labels[name] == *value)
    }

    /// The number of the port with this name or number.
    pub(super) fn port(self, named: &Value) -> Option<u64> {
        let ports = list(&self.container()["ports"]);
        let mut ports = ports.iter();
        let found = ports.find(|port| port["name"] == *named || port["containerPort"] == *named);
        found.and_then(|port| port["containerPort"].as_u64())
    }
}

/// The members of an object; none for any other value.
pub(super) fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}

/// The elements of an array; none for any other value.
pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
